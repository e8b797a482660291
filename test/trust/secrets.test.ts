import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { binary, cli, type CliRun } from '../helpers/cli.js';
import { printed } from '../helpers/corpus.js';
import { testKey } from '../helpers/keys.js';
import { expectNoSecret, secret } from '../helpers/secrets.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

const canary = secret('canary that nobody must hear');

/** Runs the program with the passphrase in its environment, or in a file that stands open as `fd`. */
async function run(args: readonly string[], passphrase?: string): Promise<{ exit: number; output: string }> {
  if (passphrase !== undefined) vi.stubEnv('PLUGFERRY_KEY_PASSPHRASE', passphrase);
  const { exit, stdout, stderr } = await printed(args);
  return { exit, output: stdout + stderr };
}

/** A signing command that shows, on top of what it should do, what `shown` of the shell prints. */
async function signShowing(shown: string): Promise<CliRun> {
  const directory = await tempDir();
  const { key, pub } = await (await testKey('hsm')).writeTo(directory);
  const bundle = await put(directory, 'a.tar.gz', tarGz(bundleParts([]).entries));
  const command = `${shown.replaceAll('KEYFILE', `'${key}'`)} >&2; openssl dgst -sha256 -sign '${key}'`;
  return cli(['sign', bundle, '--sign-command', command, '--signed-by', pub], {
    env: { PLUGFERRY_KEY_PASSPHRASE: canary, VISIBLE: 'seen', HEARD: canary },
  });
}

describe('the search of all that runs print', () => {
  test.each([
    ['a passphrase', 'printenv HEARD'],
    ['a passphrase in base64', 'printf %s "$HEARD" | base64'],
    ['a passphrase in the middle of a header in base64', 'printf "ada:%s!" "$HEARD" | base64 -w 20'],
    ['a passphrase in hex', 'printf %s "$HEARD" | od -An -v -tx1 | tr -d " \\n"'],
    ['a private key', 'cat KEYFILE'],
    ['a private key without its frame', 'sed 1d KEYFILE | base64 -d | base64 -w 0'],
    ['a private key in hex', 'sed "1d;$ d" KEYFILE | base64 -d | od -An -v -tx1'],
  ])('hears %s', async (_what, shown) => {
    await expect(signShowing(shown)).rejects.toThrow(/^plugferry sign .* printed a (secret|private key)/);
  });

  test('hears it in what is printed in this process', async () => {
    const bundle = await put(await tempDir(), `${canary}.tar.gz`, Buffer.from('none'));
    await expect(run(['inspect', bundle])).rejects.toThrow('printed a secret, as it is');
  });

  test('is told of every other way in which a test starts the program', () => {
    const top = join(import.meta.dirname, '..');
    const starting = readdirSync(top, { recursive: true, encoding: 'utf8' }).filter((file) => {
      if (!file.endsWith('.ts') || file === 'helpers/cli.ts') return false;
      return /\bbinary\b.*helpers\/cli|bin\/plugferry|dist\/cli|quickstart\.mjs/.test(
        readFileSync(join(top, file), 'utf8'),
      );
    });
    expect(starting.length).toBeGreaterThan(2);
    const silent = starting.filter(
      (file) => !readFileSync(join(top, file), 'utf8').includes('expectNoSecret('),
    );
    expect(silent).toEqual([]);
  });
});

describe('a passphrase', () => {
  test('is in nothing that keygen, export and sign print or write, whichever way it came', async () => {
    const directory = await tempDir();
    const at = (name: string): string => join(directory, name);
    const file = join(await tempDir(), 'pass');
    await writeFile(file, `${canary}\n`, { mode: 0o600 });
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const exportTo = (name: string, ...more: string[]): string[] => [
      ...['export', directory, '-o', at(name), '--signing-key', at('dev.key')],
      ...more,
    ];
    // Each is read to its end, and so opened anew.
    const fds = [openSync(file, 'r'), openSync(file, 'r')] as const;
    const runs = [
      await run(['keygen', at('dev'), '--passphrase-file', file]),
      await run(['keygen', at('qa'), '--passphrase-fd', String(fds[0]), '--json']),
      await run(['keygen', at('plain'), '--allow-plain-key'], canary),
      await run(exportTo('a.tar.gz', '--passphrase-fd', String(fds[1]))),
      await run(exportTo('b.zip', '--json'), canary),
      await run(['sign', at('a.tar.gz'), '--signing-key', at('qa.key'), '--passphrase-file', file]),
    ];
    fds.forEach(closeSync);
    expect(runs.map(({ exit }) => exit)).toEqual([0, 0, 0, 0, 0, 0]);
    const failures = [
      await run(['keygen', at('x'), '--passphrase-file', at('plain.pub')]),
      await run(exportTo('c.zip'), `${canary}!`),
      await run(exportTo('c.zip'), `${canary}\nx`),
    ];
    expect(failures.map(({ exit }) => exit)).toEqual([2, 2, 2]);
    const written = [...(await treeOf(directory))].flatMap(([path, text]) => [path, text]);
    expect(written.length).toBeGreaterThan(16);
    // Keys are what was asked for: it is the passphrase that must not be in them.
    expectNoSecret(written.join('\n').replaceAll('PRIVATE KEY-----', ''), 'a file');
  });

  test('is not in the environment of a signing command', async () => {
    const { code, stderr } = await signShowing('env | grep -v HEARD');
    expect([code, stderr.includes('VISIBLE=seen')]).toEqual([0, true]);
    expect(stderr).toMatch(/^PLUGFERRY_DIGEST_SHA256=[0-9a-f]{64}$/m);
  });

  test.each(['--passphrase', '--key-passphrase', '--password', '--pass'])(
    'cannot be given on the command line with %s',
    async (option) => {
      const { exit, output } = await run([
        'keygen',
        join(await tempDir(), 'dev'),
        option,
        'four words of mine',
      ]);
      expect([exit, output.includes('E_USAGE')]).toEqual([2, true]);
    },
  );
});

/**
 * Types at a pseudo-terminal, each answer when the prompt before it has come; prints what the terminal showed, whether it
 * still echoes, and the exit code.
 */
const typist = `
import json, os, pty, select, sys, termios, time
answers, command = json.loads(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown, prompts, status, end = b"", 0, None, time.time() + 60
while time.time() < end:
    if select.select([terminal], [], [], 0.05)[0]:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            data = b""
        if not data and status is not None:
            break
        shown += data
    while prompts < len(answers) and shown.count(b": ") > prompts:
        # The prompt stands before the terminal is switched to silence.
        while termios.tcgetattr(terminal)[3] & termios.ECHO and time.time() < end:
            time.sleep(0.01)
        os.write(terminal, answers[prompts].encode("latin1"))
        prompts += 1
    if status is None:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(code)
            echo = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
print(json.dumps({"shown": shown.decode("latin1"), "status": status, "echo": echo}))
`;

interface Typed {
  readonly shown: string;
  readonly status: number;
  readonly echo: boolean;
}

const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) {
  // eslint-disable-next-line no-console
  console.warn('skipped: passphrase prompts. Install a pseudo-terminal to type at: apt-get install python3');
}

function typeAt(cwd: string, answers: readonly string[], args: readonly string[]): Typed {
  const command = [process.execPath, binary, ...args];
  const env = { PATH: process.env['PATH'], HOME: cwd, TERM: 'xterm' };
  const output = execFileSync('python3', ['-c', typist, JSON.stringify(answers), ...command], { cwd, env });
  const typed = JSON.parse(output.toString()) as Typed;
  expectNoSecret(typed.shown, `plugferry ${args.join(' ')}`);
  return typed;
}

describe.runIf(hasPython)('the prompt', () => {
  test('asks twice for a new key without showing a letter, and once to use it', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const typed = `wrnog\u007f\u007f\u007f\u007f\u007f${canary}\r`;
    const made = typeAt(directory, [typed, `${canary}\r`], ['keygen', 'dev']);
    expect(made).toMatchObject({ status: 0, echo: true });
    expect(made.shown).toMatch(/Passphrase: .*The same again: /s);
    expect(made.shown).not.toContain('wrnog');
    const opened = execFileSync('openssl', [
      'pkey',
      '-in',
      join(directory, 'dev.key'),
      '-passin',
      `pass:${canary}`,
      '-pubout',
    ]);
    expect(opened.toString()).toBe(readFileSync(join(directory, 'dev.pub'), 'utf8'));
    const used = typeAt(
      directory,
      [`${canary}\r`],
      ['export', '.', '-o', 'a.tar.gz', '--signing-key', 'dev.key'],
    );
    expect(used).toMatchObject({ status: 0, echo: true });
    expect(used.shown.match(/Passphrase: /g)).toHaveLength(1);
  });

  test.each([
    ['two that differ', [`${canary}\r`, `${secret('something else!')}\r`], 2, 'E_PASSPHRASE'],
    ['Ctrl-C', ['\u0003'], 130, 'E_INTERRUPTED'],
  ])('%s leaves no key and a terminal that echoes', async (...[, answers, status, code]) => {
    const directory = await tempDir();
    const result = typeAt(directory, answers, ['keygen', 'dev']);
    expect(result).toMatchObject({ status, echo: true });
    expect(result.shown).toContain(code);
    expect((await treeOf(directory)).size).toBe(0);
  });
});
