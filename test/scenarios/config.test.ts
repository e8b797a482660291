import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingKeys } from '../../src/index.js';
import { allCommands } from '../../src/cli/commands.js';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

const commands = await allCommands();

const root = join(import.meta.dirname, '../..');

/** A directory with a configuration file of these lines below its type. */
async function withConfig(...lines: string[]): Promise<string> {
  const directory = await tempDir();
  await writeFile(join(directory, 'plugferry.yaml'), ['type: plugferry.config/v1', ...lines, ''].join('\n'));
  return directory;
}

interface Shown {
  readonly environment: string | null;
  readonly environments: readonly string[];
  readonly settings: readonly {
    readonly name: string;
    readonly value: string | number | readonly string[] | null;
    readonly origin: string;
  }[];
}

async function shown(cwd: string, args: string[] = [], env: Record<string, string> = {}): Promise<Shown> {
  const run = await cli(['config', 'show', '--config', 'plugferry.yaml', '--origins', '--json', ...args], {
    cwd,
    env,
  });
  expect([run.code, run.stderr]).toEqual([0, '']);
  return JSON.parse(run.stdout) as Shown;
}

const refused = async (directory: string, args: string[] = []): Promise<CliRun> => {
  const run = await cli(['config', 'show', '--config', 'plugferry.yaml', '--json', ...args], {
    cwd: directory,
  });
  expect([run.code, errorCode(run)]).toEqual([2, 'E_CONFIG']);
  return run;
};

describe('precedence', () => {
  test('command line, then environment, then the chosen environment of the file, then its defaults', async () => {
    const directory = await withConfig(
      'defaults: { set: of-defaults, jobs: 3 }',
      'environments: { dev: { set: of-dev }, prod: {} }',
    );
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const setOf = async (args: string[], env: Record<string, string> = {}): Promise<string> => {
      const run = await cli(['export', '.', '-o', 'x.tar.gz', '--force', '--json', ...args], {
        cwd: directory,
        env,
      });
      return (JSON.parse(run.stdout) as { set: string }).set;
    };
    const config = ['--config', 'plugferry.yaml'];
    expect(await setOf([])).toBe('default');
    expect(await setOf(config)).toBe('of-defaults');
    expect(await setOf([...config, '--env', 'prod'])).toBe('of-defaults');
    expect(await setOf([...config, '--env', 'dev'])).toBe('of-dev');
    expect(await setOf([...config, '--env=dev'], { PLUGFERRY_SET: 'of-variable' })).toBe('of-variable');
    expect(await setOf([...config, '--env', 'dev', '--set', 'of-line'], { PLUGFERRY_SET: 'x' })).toBe(
      'of-line',
    );
    const named = { PLUGFERRY_CONFIG: 'plugferry.yaml', PLUGFERRY_ENV: 'dev' };
    expect(await setOf([], named)).toBe('of-dev');
    expect(await setOf(['--env', 'prod'], named)).toBe('of-defaults');
  });

  test('config show says where each value is from', async () => {
    const directory = await withConfig(
      'defaults: { set: edge, jobs: 3 }',
      'environments: { dev: { jobs: 5, audience: [test, prod] } }',
    );
    const { environment, environments, settings } = await shown(directory, ['--env', 'dev'], {
      PLUGFERRY_TO: 'volume',
    });
    expect([environment, environments]).toEqual(['dev', ['dev']]);
    expect(settings).toEqual([
      { name: 'to', value: 'volume', origin: 'PLUGFERRY_TO' },
      { name: 'set', value: 'edge', origin: 'plugferry.yaml: defaults' },
      { name: 'audience', value: ['test', 'prod'], origin: 'plugferry.yaml: environments.dev' },
      { name: 'jobs', value: 5, origin: 'plugferry.yaml: environments.dev' },
    ]);
    const text = await cli(['config', 'show', '--config', 'plugferry.yaml', '--env', 'dev', '--origins'], {
      cwd: directory,
    });
    expect(text.stdout).toMatch(/^audience +test, prod +plugferry\.yaml: environments\.dev$/m);
  });
});

describe('paths', () => {
  test('are relative to the file, wherever the command runs; addresses and names stay', async () => {
    const directory = await withConfig(
      'defaults:',
      '  trust: ../trust',
      '  public-key: [a.pub, /etc/b.pub]',
      '  gateway-profile: higress',
      'environments:',
      '  near: { to: volume, gateway-profile: profiles/mine }',
      '  far: { to: "sftp://ferry@gateway-1/srv/plugins", gateway-profile: mine.json }',
    );
    await mkdir(join(directory, 'below'));
    const valuesIn = async (env: string): Promise<Record<string, unknown>> => {
      const run = await cli(['config', 'show', '--config', '../plugferry.yaml', '--env', env, '--json'], {
        cwd: join(directory, 'below'),
      });
      const { settings } = JSON.parse(run.stdout) as Shown;
      return Object.fromEntries(settings.map(({ name, value }) => [name, value]));
    };
    expect(await valuesIn('near')).toEqual({
      trust: join(directory, '../trust'),
      'public-key': [join(directory, 'a.pub'), '/etc/b.pub'],
      to: join(directory, 'volume'),
      'gateway-profile': join(directory, 'profiles/mine'),
    });
    expect(await valuesIn('far')).toMatchObject({
      to: 'sftp://ferry@gateway-1/srv/plugins',
      'gateway-profile': join(directory, 'mine.json'),
    });
  });
});

describe('what is refused', () => {
  test.each([
    ['a misspelt setting', ['defaults: { trsut: x }'], 'defaults.trsut', 'Did you mean "trust"?'],
    [
      'one of an environment',
      ['environments: { dev: { public_key: [a] } }'],
      'environments.dev.public_key',
      'Did you mean "public-key"?',
    ],
    ['a misspelt section', ['enviroments: {}'], 'enviroments', 'Did you mean "environments"?'],
    [
      'a secret',
      ['defaults: { ssh-password: 12345678 }'],
      'defaults.ssh-password',
      'A secret has no place in this file',
    ],
    ['a token', ['defaults: { token: x }'], 'defaults.token', 'A secret has no place in this file'],
    [
      'a switch',
      ['defaults: { insecure-skip-signature: true }'],
      'insecure-skip-signature',
      'Switches and commands',
    ],
    ['a command', ['defaults: { sign-command: "rm -rf /" }'], 'sign-command', 'Switches and commands'],
  ])('%s, by its name, with what was meant', async (_what, lines, ...says) => {
    const { stderr } = await refused(await withConfig(...lines));
    for (const each of says) expect(stderr).toContain(each);
    expect(stderr).not.toMatch(/12345678|rm -rf/);
  });

  test.each([
    ['a value of another kind', ['defaults: { set: 7 }'], '/defaults/set must be string'],
    ['a number beyond its bounds', ['defaults: { jobs: 1000 }'], '/defaults/jobs must be <= 64'],
    ['an empty list', ['defaults: { public-key: [] }'], 'must NOT have fewer than 1 items'],
    ['a list where a mapping belongs', ['environments: [dev]'], '/environments must be object'],
    ['a name that is none', ['environments: { "../x": {} }'], 'environments'],
    ['a key twice', ['defaults: {}', 'defaults: {}'], '"defaults" is there twice'],
    ['two documents', ['---', 'type: x'], 'more than one document'],
  ])('%s', async (_what, lines, says) => {
    expect((await refused(await withConfig(...lines))).stderr).toContain(says);
  });

  test.each([
    ['another format', 'type: plugferry.config/v2\n', 'type'],
    ['no type', 'defaults: {}\n', 'type'],
    ['an empty file', '\n', 'empty'],
    ['a scalar', 'hello\n', 'must be object'],
    ['bytes that are no text', Buffer.from([0x74, 0xff, 0xfe]), 'UTF-8'],
    ['something deep', `a: ${'['.repeat(10_000)}\n`, 'nested'],
    ['an alias bomb', 'type: &a [x,x,x,x]\ndefaults: [*a,*a,*a]\n', 'plugferry.yaml'],
  ])('%s', async (_what, bytes, says) => {
    const directory = await tempDir();
    await writeFile(join(directory, 'plugferry.yaml'), bytes);
    expect((await refused(directory)).stderr).toContain(says);
  });

  test('an address with a password in it, which is not repeated', async () => {
    const password = secret('hunter2hunter2');
    const directory = await withConfig(`defaults: { to: "sftp://ferry:${password}@host/srv" }`);
    expect((await refused(directory)).stderr).toContain('defaults.to has a password in it');
  });

  test('a file that others may change, or that stands where they may', async () => {
    const directory = await withConfig('defaults: { trust: trust }');
    await chmod(join(directory, 'plugferry.yaml'), 0o664);
    expect((await refused(directory)).stderr).toContain('lets others write it');
    await chmod(join(directory, 'plugferry.yaml'), 0o644);
    await chmod(directory, 0o777);
    expect((await refused(directory)).stderr).toContain('lets others write it');
  });

  test('an environment that there is not, with the nearest; names that every object has are none', async () => {
    const directory = await withConfig('environments: { prod: {}, dev: {} }');
    expect((await refused(directory, ['--env', 'prd'])).stderr).toContain(
      'Did you mean "prod"? It has: prod, dev.',
    );
    for (const name of ['constructor', '__proto__', 'toString']) await refused(directory, ['--env', name]);
  });

  test('a file that is not there, a directory, and an environment without a file', async () => {
    const directory = await withConfig();
    const codeOf = async (...args: string[]) =>
      errorCode(await cli(['list', '.', '--json', ...args], { cwd: directory }));
    expect(await codeOf('--config', 'none.yaml')).toBe('E_NOT_FOUND');
    expect(await codeOf('--config', '.')).toBe('E_NOT_FOUND');
    expect(await codeOf('--env', 'prod')).toBe('E_USAGE');
  });
});

describe('safety', () => {
  test('a plugferry.yaml that happens to lie there decides nothing', async () => {
    const directory = await withConfig('defaults: { set: of-the-directory }');
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const run = await cli(['export', '.', '-o', 'x.tar.gz', '--json'], { cwd: directory });
    expect(JSON.parse(run.stdout)).toMatchObject({ set: 'default' });
  });

  test('trust in the file is never weakened by a switch: they contradict each other', async () => {
    const directory = await withConfig('defaults: { trust: trust }');
    const run = await cli(
      ['verify', 'x.tar.gz', '--config', 'plugferry.yaml', '--insecure-skip-signature', '--json'],
      { cwd: directory },
    );
    expect([errorCode(run), run.stderr]).toEqual(['E_USAGE', expect.stringContaining('--config file')]);
  });

  test('help and version answer whatever the variable names', async () => {
    const env = { PLUGFERRY_CONFIG: 'none.yaml', PLUGFERRY_ENV: 'x' };
    for (const args of [['--help'], ['verify', '-h'], ['--version']])
      expect(await cli(args, { env })).toMatchObject({ code: 0, stderr: '' });
    expect(await cli(['list', '.'], { env })).toMatchObject({ code: 2 });
  });

  test('config show says that there is a secret, and which it is to nobody', async () => {
    const env = {
      PLUGFERRY_KEY_PASSPHRASE: 'four words of yours',
      PLUGFERRY_SSH_PASSWORD: 'five other words of yours',
      PLUGFERRY_TO: `https://me:${secret('pw-in-an-address')}@host/x?${secret('key=in-a-query')}`,
    };
    const { settings } = await shown(await withConfig(), [], env);
    expect(settings).toEqual([
      { name: 'to', value: 'https://host/x?(...)', origin: 'PLUGFERRY_TO' },
      { name: 'key-passphrase', value: null, origin: 'PLUGFERRY_KEY_PASSPHRASE' },
      { name: 'ssh-password', value: null, origin: 'PLUGFERRY_SSH_PASSWORD' },
    ]);
    const run = await cli(['config', 'show'], { env });
    expect(run.stdout).toMatch(/^key-passphrase +\(set, not shown\)$/m);
  });
});

test('every setting is an option with a value of some command, and none that holds a secret', async () => {
  const valued = new Set(commands.flatMap((command) => command.valued));
  expect(settingKeys.filter((key) => !valued.has(`--${key}`))).toEqual([]);
  const schema = JSON.parse(await readFile(join(root, 'schemas/config.schema.json'), 'utf8')) as {
    $defs: { settings: { properties: Record<string, unknown> } };
  };
  expect([...settingKeys].sort()).toEqual(Object.keys(schema.$defs.settings.properties).sort());
  expect(
    settingKeys.filter((key) => /command|insecure|force|password$|passphrase$|token$/.test(key)),
  ).toEqual([]);
});

test('the example carries a bundle from dev over test to prod', async () => {
  const directory = await tempDir();
  await cp(join(root, 'examples/plugferry.yaml'), join(directory, 'plugferry.yaml'));
  await chmod(join(directory, 'plugferry.yaml'), 0o644);
  const modules = { 'request-guard@1.0.0': 'a', 'hello-header@1.0.0': 'b' };
  await tinyTree(directory, modules);
  await mkdir(join(directory, 'keys'));
  for (const [name, words] of [
    ['dev', 'four words of yours'],
    ['qa', 'four other words of yours'],
  ] as const)
    await writeFile(join(directory, `keys/${name}.pass`), `${secret(words)}\n`, { mode: 0o600 });
  const run = async (line: string): Promise<CliRun> => {
    const done = await cli(line.split(' '), { cwd: directory });
    expect([line, done.code, done.code === 0 ? '' : done.stderr]).toEqual([line, 0, '']);
    return done;
  };
  for (const name of ['dev', 'qa']) await run(`keygen keys/${name} --passphrase-file keys/${name}.pass`);
  await run('trust init trust');
  for (const name of ['dev', 'qa'])
    await run(`trust add trust keys/${name}.pub --name ${name} --role ${name}`);
  await run('trust set trust edge --require dev=1,qa=1');
  await run('export . -o edge.tar.gz --config plugferry.yaml --env dev');
  await run('import edge.tar.gz --config plugferry.yaml --env test');
  await run('sign edge.tar.gz --config plugferry.yaml --env test');
  await run('verify edge.tar.gz --config plugferry.yaml --env prod');
  const { stdout } = await run('import edge.tar.gz --config plugferry.yaml --env prod --json');
  expect(JSON.parse(stdout)).toMatchObject({ volume: join(directory, 'volumes/prod'), set: 'edge' });
  // What the file says of keys is meant for bundles: a volume is checked without.
  await run('verify volumes/prod --config plugferry.yaml --env prod');
  await rm(join(directory, 'trust'), { recursive: true });
  expect(
    await cli('verify edge.tar.gz --config plugferry.yaml --env prod --json'.split(' '), { cwd: directory }),
  ).toMatchObject({ code: 4 });
});
