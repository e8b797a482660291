import { spawn } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { binary, cli, type CliRun } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { expectNoSecret, secret } from '../helpers/secrets.js';
import { canAddAccount, hasSshd, makeKey, startSshd, type Sshd, type SshdOptions } from '../helpers/sshd.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

interface Scene {
  readonly sshd: Sshd;
  /** Home of the user, and where bundles `one.tar.gz` and `two.tar.gz` are. */
  readonly home: string;
  /** The volume as the server sees it. */
  readonly volume: string;
  readonly url: string;
  readonly run: (words: readonly string[], env?: Readonly<Record<string, string>>) => Promise<CliRun>;
}

async function scene(options: SshdOptions = {}): Promise<Scene> {
  const sshd = await startSshd(options);
  const home = await tempDir();
  await (await testKey('dev')).writeTo(home);
  let sequence = 0;
  for (const [name, plugins] of Object.entries({
    one: { 'waf@1.0.0': 'a' },
    two: { 'waf@2.0.0': 'b', 'jwt@1.0.0': 'c' },
  })) {
    await tinyTree(join(home, name), plugins);
    const words = [
      'export',
      name,
      '-o',
      `${name}.tar.gz`,
      '--set',
      'edge',
      // Two exports of one second would have the same number.
      '--sequence',
      String((sequence += 1)),
      '--signing-key',
      'dev.key',
      '--allow-plain-key',
    ];
    expect(await cli(words, { cwd: home })).toMatchObject({ code: 0 });
  }
  const volume = join(sshd.directory, 'volume');
  return {
    sshd,
    home,
    volume,
    url: sshd.url(volume),
    run: (words, env = {}) => cli(words, { cwd: home, env: { HOME: home, ...env } }),
  };
}

const codeOf = ({ stderr }: CliRun): string | undefined => /^error (E_[A-Z_]+):/m.exec(stderr)?.[1];

const signed = ['--public-key', 'dev.pub'];

describe.skipIf(!hasSshd)('a volume behind sftp://', () => {
  test('from the first import to the receipt, with the same answers as on the server', async () => {
    const { sshd, url, volume, run } = await scene();
    const ssh = ['--host-key', sshd.fingerprint, '-i', sshd.identity];
    const first = await run(['import', 'one.tar.gz', '--to', url, ...signed, ...ssh]);
    expect([first.code, first.stderr]).toEqual([0, expect.not.stringContaining('warning')]);
    expect(first.stdout).toContain(`IMPORTED: ${url} now serves release`);
    expect(await run(['import', 'one.tar.gz', '--to', url, ...signed, ...ssh])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('UNCHANGED'),
    });
    expect(await run(['import', 'two.tar.gz', '--to', url, ...signed, ...ssh])).toMatchObject({ code: 0 });
    for (const words of [['list'], ['history'], ['prune', '--dry-run']]) {
      const [verb = '', ...rest] = words;
      const afar = await run([verb, url, ...rest, ...ssh, '--json']);
      const near = await run([verb, volume, ...rest, '--json']);
      expect([verb, afar.code, JSON.parse(afar.stdout)]).toEqual([verb, 0, JSON.parse(near.stdout)]);
    }
    const receipt = JSON.parse((await run(['receipt', url, ...ssh])).stdout) as { evidence: unknown[] };
    expect(receipt.evidence).toHaveLength(2);
    expect(await run(['alias', url, 'waf', '3.0.0=2.0.0', ...ssh])).toMatchObject({ code: 0 });
    expect(await run(['rollback', url, ...ssh])).toMatchObject({ code: 0 });
    expect(await run(['verify', volume])).toMatchObject({ code: 0 });
    expect((await readdir(join(volume, 'plugins/waf'))).toSorted()).toEqual(['1.0.0', '2.0.0']);
  });

  test('~/.ssh is enough: config, known_hosts, key', async () => {
    const { sshd, home, volume, run } = await scene();
    await mkdir(join(home, '.ssh'));
    await copyFile(sshd.identity, join(home, '.ssh/id_ed25519'));
    await copyFile(sshd.knownHosts, join(home, '.ssh/known_hosts'));
    const config = `Host prod\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  User ${sshd.user}\n`;
    await writeFile(join(home, '.ssh/config'), config);
    const words = ['import', 'one.tar.gz', '--to', `sftp://prod${volume}`, ...signed];
    expect(await run(words)).toMatchObject({ code: 0 });
    await writeFile(join(home, '.ssh/config'), '');
    await writeFile(join(home, 'other.config'), config);
    expect(await run([...words, '--ssh-config', 'other.config'])).toMatchObject({ code: 0 });
    expect(codeOf(await run([...words, '--ssh-config', 'none.config']))).toBe('E_NOT_FOUND');
  });

  test('a passphrase comes from a file or the environment, and never from the command line', async () => {
    const { sshd, home, url, run } = await scene();
    makeKey(join(home, 'key'), ['-N', secret('four quiet words here')]);
    await copyFile(join(home, 'key.pub'), join(sshd.directory, 'authorized_keys'));
    const words = ['list', url, '--known-hosts', sshd.knownHosts, '--identity', 'key'];
    await run(['import', 'one.tar.gz', '--to', url, ...signed, ...words.slice(2)], {
      PLUGFERRY_SSH_PASSPHRASE: 'four quiet words here',
    });
    const env = { PLUGFERRY_SSH_PASSPHRASE: 'four quiet words here' };
    expect(await run(words, env)).toMatchObject({ code: 0 });
    await writeFile(join(home, 'pass'), 'four quiet words here\n', { mode: 0o600 });
    expect(await run([...words, '--ssh-passphrase-file', 'pass'])).toMatchObject({ code: 0 });
    expect(codeOf(await run(words, { PLUGFERRY_SSH_PASSPHRASE: 'something else' }))).toBe('E_PASSPHRASE');
    expect(codeOf(await run([...words, '--ssh-passphrase-file', 'none']))).toBe('E_NOT_FOUND');
    expect(codeOf(await run([...words, '--ssh-passphrase', 'x']))).toBe('E_USAGE');
  });

  test.skipIf(!canAddAccount)('a password comes from a file, the environment or the prompt', async () => {
    const account = { name: 'ferry', password: secret('an ox & $a <cart>') };
    const { sshd, home, run } = await scene({ account, config: ['PasswordAuthentication yes'] });
    const url = `sftp://ferry@127.0.0.1:${sshd.port}/~/volume`;
    const words = ['import', 'one.tar.gz', '--to', url, ...signed, '--known-hosts', sshd.knownHosts];
    expect(await run(words, { PLUGFERRY_SSH_PASSWORD: account.password })).toMatchObject({ code: 0 });
    await writeFile(join(home, 'pass'), `${account.password}\n`, { mode: 0o600 });
    expect(await run([...words, '--ssh-password-file', 'pass'])).toMatchObject({ code: 0 });
    expect(codeOf(await run(words, { PLUGFERRY_SSH_PASSWORD: 'a wrong guess' }))).toBe('E_LOGIN');
    const asked = spawn(
      'script',
      ['-qec', [process.execPath, binary, ...words].map((word) => `'${word}'`).join(' '), '/dev/null'],
      { cwd: home, env: { PATH: process.env['PATH'], HOME: home }, stdio: ['pipe', 'pipe', 'pipe'] },
    );
    let said = '';
    let answered = false;
    asked.stdout.on('data', (piece: Buffer) => {
      said += piece.toString();
      if (answered || !said.includes('Password of ferry@127.0.0.1: ')) return;
      answered = true;
      asked.stdin.write(`${account.password}\r`);
    });
    await text(asked.stderr);
    expectNoSecret(said, 'the prompt');
    expect(said).toContain('Password of ferry@127.0.0.1: ');
    expect(said).toContain('UNCHANGED');
    // The server's own view: in the home of the account, and belonging to it.
    expect(await readdir(join(sshd.directory, 'home/volume'))).toEqual(['.plugferry', 'plugins']);
  });

  test('errors name the server and the path there', async () => {
    const { sshd, home, url, volume, run } = await scene();
    const ssh = ['--known-hosts', sshd.knownHosts, '-i', sshd.identity];
    const shown = `sftp://127.0.0.1:${sshd.port}${volume}`;
    const missing = await run(['history', url, ...ssh]);
    expect(missing.stderr).toContain(`E_NOT_FOUND: ${shown} is not a volume, or does not exist`);
    const plain = await run(['list', sshd.url(join(home, 'one')), ...ssh]);
    expect(plain.stderr).toContain(`127.0.0.1:${sshd.port}${home}/one has no release of Plugferry`);
    await run(['import', 'one.tar.gz', '--to', url, ...signed, ...ssh]);
    await writeFile(join(volume, '.plugferry/state.json'), '{');
    const damaged = await run(['import', 'two.tar.gz', '--to', url, ...signed, ...ssh, '--json']);
    expect(JSON.parse(damaged.stdout)).toMatchObject({
      error: {
        code: 'E_RELEASE',
        message: expect.stringContaining(`${shown}/.plugferry/state.json`),
        details: { file: `${shown}/.plugferry/state.json` },
      },
    });
    expect(codeOf(await run(['import', 'one.tar.gz', '--to', url, ...signed]))).toBe('E_HOST_KEY');
    const nobody = await run(['import', 'one.tar.gz', '--to', 'sftp://a@127.0.0.1:1/v', ...signed]);
    expect(codeOf(nobody)).toBe('E_NETWORK');
    for (const to of ['http://127.0.0.1/v', 's3://bucket/v', 'sftp://127.0.0.1', 'sftp://a:b@127.0.0.1/v']) {
      expect([to, codeOf(await run(['import', 'one.tar.gz', '--to', to, ...signed]))]).toEqual([
        to,
        'E_USAGE',
      ]);
    }
    // Nothing of a bundle that is not vouched for goes to the server, not even a knock on its door.
    const before = await sshd.log();
    const unsigned = await run([
      'import',
      'one.tar.gz',
      '--to',
      url,
      '--public-key',
      join(home, 'other.pub'),
      ...ssh,
    ]);
    expect(unsigned.code).not.toBe(0);
    expect(await sshd.log()).toBe(before);
    expect(await readFile(join(volume, '.plugferry/state.json'), 'utf8')).toBe('{');
  });
});
