import { execFile, spawn, spawnSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { allCommands } from '../../src/cli/commands.js';
import { binary, cli } from '../helpers/cli.js';
import { expectNoSecret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';

const commands = await allCommands();

const run = promisify(execFile);
const hasZsh = spawnSync('zsh', ['--version']).status === 0;
if (!hasZsh) {
  // eslint-disable-next-line no-console
  console.warn('skipped: completion in a real zsh. Install one: apt-get install zsh');
}

/** A directory with some files, and the program in PATH as `plugferry`. */
async function workplace(): Promise<{ readonly cwd: string; readonly env: NodeJS.ProcessEnv }> {
  const cwd = await tempDir();
  await mkdir(join(cwd, 'bin'));
  const program = join(cwd, 'bin/plugferry');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${binary}' "$@"\n`);
  await chmod(program, 0o755);
  await writeFile(join(cwd, 'edge.tar.gz'), '');
  await writeFile(
    join(cwd, 'plugferry.yaml'),
    'type: plugferry.config/v1\nenvironments: { dev: {}, prod: {}, "pre.prod": {} }\n',
  );
  return { cwd, env: { PATH: `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}`, HOME: cwd } };
}

describe('in a real bash', () => {
  /** What a Tab at the end of a line offers. */
  async function offered(line: string): Promise<string[]> {
    const { cwd, env } = await workplace();
    // As readline splits it: at blanks, and around `=`.
    const words = line.replaceAll('=', ' = ').split(/ +/);
    const script = [
      'source <(plugferry completion bash)',
      'complete -p plugferry >&2',
      `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})`,
      `COMP_CWORD=${words.length - 1}`,
      '_plugferry plugferry',
      'printf "%s\\n" "${COMPREPLY[@]}"',
    ].join('\n');
    const { stdout, stderr } = await run('bash', ['--norc', '--noprofile', '-c', script], { cwd, env });
    expectNoSecret(stdout + stderr, script);
    expect(stderr).toBe('complete -o bashdefault -o default -F _plugferry plugferry\n');
    return stdout.split('\n').filter((word) => word !== '');
  }

  test.each([
    ['plugferry ', commands.map(({ name }) => name)],
    ['plugferry con', ['convert', 'config']],
    ['plugferry trust re', ['retire', 'revoke', 'revoke-bundle']],
    ['plugferry --json trust in', ['init']],
    ['plugferry --config plugferry.yaml imp', ['import']],
    ['plugferry import --mo', ['--mode']],
    ['plugferry import --mode ', ['merge', 'replace']],
    ['plugferry import x.tar.gz --mode=re', ['replace']],
    ['plugferry import x --mode m', ['merge']],
    ['plugferry verify --gateway-profile higress-', ['higress-early', 'higress-no-files']],
    ['plugferry --progress ', ['auto', 'bar', 'plain', 'json', 'none']],
    ['plugferry completion ', ['bash', 'zsh']],
    ['plugferry completion bash ', []],
    ['plugferry --config plugferry.yaml --env p', ['prod', 'pre.prod']],
    ['plugferry --env ', []],
    ['plugferry --config none.yaml --env ', []],
    // Files, which bash itself offers then.
    ['plugferry verify ', []],
    ['plugferry verify ed', []],
    ['plugferry verify --trust ', []],
    ['plugferry nonsense ', []],
    ['plugferry trust nonsense ', []],
  ] as const)('%s', async (line, words) => {
    expect(await offered(line)).toEqual([...words]);
  });

  test('options: all that are left; what may be given again stays', async () => {
    const all = await offered('plugferry verify x --');
    expect(all).toEqual(expect.arrayContaining(['--public-key', '--trust', '--json', '--config']));
    const fewer = await offered('plugferry verify x --public-key a --trust b -q --');
    expect(fewer).toContain('--public-key');
    for (const gone of ['--trust', '--quiet']) expect(fewer).not.toContain(gone);
  });

  test('a Tab in a session completes commands, and files where a file belongs', async () => {
    const { cwd, env } = await workplace();
    const shown = await typed('bash --norc --noprofile -i', { cwd, env }, [
      'source <(plugferry completion bash)\n',
      'plugferry conve\t--help\n',
      'echo plugferry; plugferry inspect ed\t--json\n',
    ]);
    expect(shown).toContain('Rewrite a bundle as .tar.gz or .zip');
    expect(shown).toContain('edge.tar.gz is empty');
  });
});

/** What a shell on a terminal shows when this is typed into it, each line when the one before has been answered. */
async function typed(
  shell: string,
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  lines: readonly string[],
): Promise<string> {
  const child = spawn('script', ['-qefc', shell, '/dev/null'], {
    cwd,
    env: { ...env, TERM: 'xterm', PS1: '$ ' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  const quiet = async (): Promise<void> => {
    for (let length = -1; length !== shown.length;) {
      length = shown.length;
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  };
  const end = new Promise((resolve) => child.on('close', resolve));
  await quiet();
  for (const line of lines) {
    child.stdin.write(line);
    await quiet();
  }
  child.stdin.end('exit\n');
  await end;
  expectNoSecret(shown, shell);
  return shown;
}

describe.runIf(hasZsh)('in a real zsh', () => {
  test('a Tab completes commands, options, values and files', async () => {
    const { cwd, env } = await workplace();
    const shown = await typed('zsh -f -i', { cwd, env }, [
      'autoload -U compinit && compinit -u -D && source <(plugferry completion zsh)\n',
      'plugferry conve\t--help\n',
      'plugferry inspect ed\t--json\n',
      'echo plugferry; plugferry import no.tar.gz --to v --mode rep\t--public-k\tnone.pub --json\n',
      'plugferry trust revo\t',
      '\t',
      '\u0003',
    ]);
    expect(shown).toContain('Rewrite a bundle as .tar.gz or .zip');
    expect(shown).toContain('edge.tar.gz is empty');
    expect(shown).toContain('"file": "none.pub"');
    expect(shown).toMatch(/revoke-bundle +-- /);
  });
});

describe('the answer to a shell', () => {
  test('has no message and no control byte, whatever is asked', async () => {
    for (const words of [
      [],
      [''],
      ['--config', 'none', '--env', ''],
      ['\u001b[2J', '\n'],
      ['-'],
      ['=', '='],
    ]) {
      const { code, stdout, stderr } = await cli(['--complete', ...words]);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
    }
  });

  test('an unknown shell is refused', async () => {
    const { code, stderr } = await cli(['completion', 'fish']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('bash')]);
  });
});
