import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { exportBundle, importBundle } from '../../src/index.js';
import { allCommands } from '../../src/cli/commands.js';
import { cli, errorCode, finished, start, type CliOptions, type CliRun } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { secret } from '../helpers/secrets.js';
import { objectsIn, payloadOf, project } from '../helpers/kubelet.js';
import { startServe } from '../helpers/server.js';
import { startStore } from '../helpers/store.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { putStore } from '../helpers/trust.js';
import { wasmPlugin } from '../helpers/wasm-plugin.js';

const commands = await allCommands();

const controlBytes = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/;

describe('--help', () => {
  test('names every command, on stdout, without colour', async () => {
    const { code, stdout, stderr } = await cli(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const { name } of commands) expect(stdout).toMatch(new RegExp(`^  plugferry ${name} `, 'm'));
    expect(stdout).not.toMatch(controlBytes);
  });

  test.each(commands.map(({ name }) => name))('%s: describes itself with an example', async (name) => {
    const { code, stdout } = await cli([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Examples:');
    expect(stdout).toContain(`plugferry ${name} `);
    expect(stdout).toContain('--json');
  });
});

describe('a wrong call', () => {
  test.each([
    ['no command', [], 'Give a command.'],
    ['an unknown command', ['exprot'], 'exprot'],
    ['an unknown option', ['list', '.', '--colour'], 'colour'],
    ['a missing argument', ['verify'], 'Not enough non-option arguments'],
    ['an argument too many', ['list', 'a', 'b'], 'b'],
    ['an option twice', ['list', '.', '--json', '--port', '1'], 'port'],
    ['a number that is none', ['serve', '.', '--port', 'abc'], '--port'],
    ['a value given twice', ['import', 'x', '--to', 'a', '--to', 'b'], '--to'],
    ['an empty value', ['import', 'x', '--to', ''], '--to'],
    ['a choice that there is not', ['import', 'x', '--to', 'v', '--mode', 'mix'], 'mode'],
    ['a required option left out', ['export', '.'], 'output'],
  ])('%s is said, with exit code 2', async (_what, args, says) => {
    const { code, stdout, stderr } = await cli(args);
    expect(code).toBe(2);
    if (!args.includes('--json')) expect(stdout).toBe('');
    expect(stderr).toContain('E_USAGE');
    expect(stderr).toContain(says);
    expect(stderr).toContain('plugferry --help');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test('with --json the error is data too', async () => {
    const run = await cli(['verify', 'none.tar.gz', '--public-key', 'none.pub', '--json']);
    expect(run.code).toBe(2);
    expect(JSON.parse(run.stdout)).toEqual({
      error: {
        code: 'E_NOT_FOUND',
        exit: 2,
        message: expect.stringContaining('none.pub'),
        hint: expect.any(String),
        details: { file: 'none.pub' },
      },
    });
  });
});

test('a lone dash is the value of the option before it', async () => {
  for (const option of ['--public-key', '--trust']) {
    const { code, stderr } = await cli(['verify', 'none.tar.gz', option, '-']);
    expect([code, stderr]).toEqual([expect.any(Number), expect.not.stringContaining('E_USAGE')]);
    expect(stderr).toContain(' - ');
  }
});

describe('the environment', () => {
  test('gives values, which the command line overrides, and never switches', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const env = {
      PLUGFERRY_OUTPUT: 'env.tar.gz',
      PLUGFERRY_FORCE: 'true',
      PLUGFERRY_FOREIGN: 'x',
      PLUGFERRY_SET: 'of-env',
    };
    expect(await cli(['export', '.'], { cwd: directory, env })).toMatchObject({ code: 0 });
    const { manifest } = JSON.parse(
      (await cli(['inspect', 'env.tar.gz', '--json'], { cwd: directory })).stdout,
    ) as {
      manifest: { set: string };
    };
    expect(manifest.set).toBe('of-env');
    expect(errorCode(await cli(['export', '.', '--json'], { cwd: directory, env }))).toBe('E_EXISTS');
    expect(await cli(['export', '.', '-o', 'line.tar.gz'], { cwd: directory, env })).toMatchObject({
      code: 0,
    });
  });

  test.each(['NaN', '-1', '1.5', '1e3'])('SOURCE_DATE_EPOCH=%s is refused', async (value) => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const run = await cli(['export', '.', '-o', 's.tar.gz', '--json'], {
      cwd: directory,
      env: { SOURCE_DATE_EPOCH: value },
    });
    expect([run.code, errorCode(run)]).toEqual([2, 'E_USAGE']);
  });

  test.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 33 - 1, 2 ** 33, 99_999_999_999])(
    'SOURCE_DATE_EPOCH=%s lies in the future: no bundle is made that every receiver refuses',
    async (value) => {
      const directory = await tempDir();
      await tinyTree(directory, { 'waf@1.0.0': 'a' });
      const run = await cli(['export', '.', '-o', 's.tar.gz', '--json'], {
        cwd: directory,
        env: { SOURCE_DATE_EPOCH: String(value) },
      });
      expect([run.code, errorCode(run)]).toEqual([4, 'E_CLOCK']);
    },
  );

  test('colours only where the environment forces them', async () => {
    const plain = await cli(['verify', 'none'], { env: { NO_COLOR: '1' } });
    expect(plain.stderr).not.toMatch(controlBytes);
    expect((await cli(['verify', 'none'])).stderr).not.toMatch(controlBytes);
    expect((await cli(['verify', 'none'], { env: { CI: 'true' } })).stderr).not.toMatch(controlBytes);
    expect((await cli(['verify', 'none'], { env: { FORCE_COLOR: '1' } })).stderr).toContain(
      '\u001b[31merror',
    );
  });
});

describe('output', () => {
  test('has no control byte, whatever the names are', async () => {
    const directory = await tempDir();
    const evil = 'evil\u001b[2J\r\nname\u202e';
    await mkdir(join(directory, 'plugins', evil), { recursive: true });
    await writeFile(join(directory, evil), 'x');
    for (const args of [
      ['list', '.'],
      ['verify', evil],
      ['inspect', evil],
      ['verify', `${evil}none`],
      ['list', evil],
      ['export', '.', '-o', 'x.tar.gz'],
    ]) {
      for (const json of [[], ['--json']]) {
        const { code, stdout, stderr } = await cli([...args, ...json], { cwd: directory });
        expect(code).not.toBe(0);
        expect(stdout + stderr, args.join(' ')).not.toMatch(controlBytes);
      }
    }
  });

  test('that nobody reads to its end is no error', async () => {
    const directory = await tempDir();
    await tinyTree(
      directory,
      Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`plugin-${i}@1.0.0`, String(i)])),
    );
    const child = start(['list', '.', '--json'], { cwd: directory });
    const end = finished(child);
    child.stdout?.destroy();
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([0, '']);
  });

  test('-q leaves only results and problems', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const { stderr } = await cli(['export', '.', '-o', 'x.tar.gz', '-q'], { cwd: directory });
    expect(stderr).toMatch(/^warning: .*\n$/);
  });
});

interface Shape {
  readonly shape: string;
  readonly options: CliOptions;
  readonly args: readonly string[];
  readonly check: (run: CliRun) => void;
}

/** What is left of what a terminal got when colours, line ends and the moves of the progress line are taken away. */
const withoutSequences = (text: string): string =>
  text.replace(/\u001b(?:\[[0-9;]*[A-Z]|\[[0-9;]*m|[78])/gi, '').replaceAll('\r', '');

/** The ways in which output is looked at. That no secret is in it, `cli` sees to. */
const shapes: readonly Shape[] = [
  {
    shape: 'on a terminal',
    options: { columns: 100 },
    args: [],
    check: ({ stdout }) => {
      expect(withoutSequences(stdout)).not.toMatch(controlBytes);
    },
  },
  {
    shape: 'in a pipe',
    options: {},
    args: [],
    check: ({ stdout, stderr }) => {
      expect(stdout + stderr).not.toMatch(controlBytes);
    },
  },
  {
    shape: 'on a terminal with NO_COLOR',
    options: { columns: 100, env: { NO_COLOR: '1' } },
    args: [],
    check: ({ stdout }) => {
      expect(stdout.replaceAll('\r\n', '\n')).not.toMatch(controlBytes);
    },
  },
  {
    shape: 'with --json',
    options: {},
    args: ['--json'],
    check: ({ stdout, stderr }) => {
      expect(stderr).not.toMatch(controlBytes);
      expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
      JSON.parse(stdout);
    },
  },
];

/** Commands that do something, those of groups among them. */
const leaves = (table: typeof commands): typeof commands =>
  table.flatMap((command) => (command.commands.length === 0 ? [command] : leaves(command.commands)));

test('every command has an example, which is its row in the test of shapes', () => {
  expect(leaves(commands).filter(({ examples }) => examples.length === 0)).toEqual([]);
});

test.each(shapes)(
  'every example of --help works $shape',
  { timeout: 300_000 },
  async ({ options, args, check }) => {
    const prepared = await tempDir();
    await tinyTree(prepared, { 'key-auth@1.0.0': 'a', 'waf@1.0.0': 'b', 'key-auth@2.0.0': 'c' });
    await mkdir(join(prepared, 'keys'));
    await copyFile(
      join(import.meta.dirname, '../../examples/plugferry.yaml'),
      join(prepared, 'plugferry.yaml'),
    );
    await writeFile(join(prepared, 'qa.pass'), `${secret('four other words of yours')}\n`, { mode: 0o600 });
    await writeFile(join(prepared, 'wasmplugins.yaml'), wasmPlugin('waf', '1.0.0'));
    await writeFile(join(prepared, 'prod.yaml'), '"*": {spec: {priority: 7}}\n');
    const root = { key: await testKey('root'), role: 'root' };
    await putStore(join(prepared, 'prod-trust'), { keys: [root] });
    await putStore(join(prepared, 'new-trust'), { keys: [root], version: 2 }, [root.key]);
    // A volume with a past, so that there is something to verify, compare and go back to.
    const volume = join(prepared, 'volume');
    for (const plugin of ['key-auth@1.0.0', 'waf@1.0.0']) {
      const output = join(prepared, `${plugin}.tar.gz`);
      await exportBundle({ source: prepared, output, include: [plugin], set: plugin.slice(0, 3) });
      await importBundle({ bundle: output, to: volume, trust: { insecureSkipSignature: true } });
    }
    const env = { PLUGFERRY_KEY_PASSPHRASE: 'four words of yours' };
    const store = await startStore();
    const run = (line: string) => {
      const words =
        line
          .replaceAll('/srv/plugin-server', 'volume')
          .replaceAll('https://files.example', store.url)
          .match(/"[^"]*"|\S+/g) ?? [];
      return cli([...words.map((word) => word.replace(/^"(.*)"$/, '$1')), ...args], {
        ...options,
        cwd: prepared,
        env: { ...env, ...options.env },
      });
    };
    /** Until it says that it serves; then Ctrl-C, as a terminal or another process sends it. */
    const served = async (line: string): Promise<CliRun> => {
      const words = line.split(' ').map((word) => (word === '9000' ? '0' : word));
      const port = words.includes('--port') ? [] : ['--port', '0'];
      const where = { ...options, cwd: prepared, env: options.env ?? {} };
      const child = start(['serve', ...words, ...port, ...args], where);
      await vi.waitUntil(() => /serving \d/.test(child.printed.stdout + child.printed.stderr), {
        timeout: 120_000,
      });
      if (options.columns === undefined) child.kill('SIGINT');
      else child.stdin?.write('\u0003');
      return finished(child);
    };
    const asked = async (line: string): Promise<CliRun> => {
      const server = await startServe(join(prepared, 'volume'));
      try {
        return await run(`health ${line.replace('http://127.0.0.1:8080', server.url)}`);
      } finally {
        await server.stop();
      }
    };
    for (const { name, examples } of commands) {
      for (const [line] of examples) {
        let done: CliRun;
        if (name === 'serve') {
          // As the kubelet shows it to the container.
          const mount = join(prepared, 'mount');
          await project(mount, payloadOf(objectsIn(await readFile(join(prepared, 'edge.yaml'), 'utf8'))));
          const words = line.replace('/srv/plugin-server', 'volume');
          done = await served(words.replace(/^(--from-configmaps) \S+/, '$1 mount'));
        } else if (name === 'health') done = await asked(line);
        else done = await run(`${name} ${line}`);
        expect([name, line, done.code, done.code === 0 ? '' : done.stdout + done.stderr]).toEqual([
          name,
          line,
          0,
          '',
        ]);
        check(done);
      }
    }
    expect(await readFile(join(prepared, 'dev.pub'), 'utf8')).toContain('PUBLIC KEY');
  },
);
