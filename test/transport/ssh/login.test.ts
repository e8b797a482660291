import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sftpFile } from '../../../src/transport/sftp/sftp.js';
import type { SshSettings } from '../../../src/transport/ssh/settings.js';
import {
  canAddAccount,
  hasSshd,
  makeKey,
  startSshd,
  type Sshd,
  type SshdOptions,
} from '../../helpers/sshd.js';
import { tempDir } from '../../helpers/temp.js';

interface Scene {
  readonly sshd: Sshd;
  readonly directory: string;
  /** What a fresh connection reads with these settings. */
  readonly read: (settings: SshSettings, location?: string) => Promise<string>;
}

async function scene(options: SshdOptions = {}): Promise<Scene> {
  const sshd = await startSshd(options);
  const directory = await tempDir();
  const path = join(sshd.directory, 'hello');
  await writeFile(path, 'hello');
  return {
    sshd,
    directory,
    read: async (settings, location = sshd.url(path)) => {
      const file = sftpFile(location, settings);
      try {
        return await text((await file.read()).bytes);
      } finally {
        await file.close();
      }
    },
  };
}

describe.skipIf(!hasSshd)('who we are', () => {
  test('a key', async () => {
    const { sshd, read } = await scene();
    expect(await read({ knownHosts: [sshd.knownHosts], identities: [sshd.identity] })).toBe('hello');
  });

  test.each(['ecdsa', 'rsa'])('a key of type %s, on a server with one like it', async (type) => {
    const { sshd, directory, read } = await scene({ hostKey: type });
    makeKey(join(directory, 'key'), ['-t', type]);
    await copyFile(join(directory, 'key.pub'), join(sshd.directory, 'authorized_keys'));
    expect(await read({ knownHosts: [sshd.knownHosts], identities: [join(directory, 'key')] })).toBe('hello');
  });

  test('a key with a passphrase: asked for once, and only when it is needed', async () => {
    const { sshd, directory, read } = await scene();
    const key = join(directory, 'key');
    makeKey(key, ['-N', 'four words']);
    await copyFile(`${key}.pub`, join(sshd.directory, 'authorized_keys'));
    const asked: string[] = [];
    const settings = (passphrase: string): SshSettings => ({
      knownHosts: [sshd.knownHosts],
      identities: [key],
      passphrase: async (file) => {
        asked.push(file);
        return Buffer.from(passphrase);
      },
    });
    expect(await read(settings('four words'))).toBe('hello');
    expect(asked).toEqual([key]);
    await expect(read(settings('three words'))).rejects.toMatchObject({ code: 'E_PASSPHRASE' });
    await expect(read({ knownHosts: [sshd.knownHosts], identities: [key] })).rejects.toMatchObject({
      code: 'E_PASSPHRASE',
      hint: expect.stringContaining('--ssh-passphrase-file'),
    });
  });

  test('an agent, whose keys need no passphrase here', async () => {
    const { sshd, directory, read } = await scene();
    const key = join(directory, 'key');
    makeKey(key);
    await copyFile(`${key}.pub`, join(sshd.directory, 'authorized_keys'));
    const agent = join(directory, 'agent');
    const child = spawn('ssh-agent', ['-D', '-a', agent], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void child.kill());
    await once(child.stdout, 'data');
    await expect(read({ knownHosts: [sshd.knownHosts], agent })).rejects.toMatchObject({ code: 'E_LOGIN' });
    execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: agent }, stdio: 'pipe' });
    expect(await read({ knownHosts: [sshd.knownHosts], agent })).toBe('hello');
  });

  test.skipIf(!canAddAccount)('a password, asked for once and only when the server takes one', async () => {
    const account = { name: 'ferry', password: 'an ox & $a <cart>' };
    const { sshd, read } = await scene({ account, config: ['PasswordAuthentication yes'] });
    const asked: string[] = [];
    const settings = (password: string): SshSettings => ({
      knownHosts: [sshd.knownHosts],
      password: async (who) => {
        asked.push(who);
        return Buffer.from(password);
      },
    });
    expect(await read(settings(account.password))).toBe('hello');
    expect(asked).toEqual(['ferry@127.0.0.1']);
    await expect(read(settings('guess'))).rejects.toMatchObject({
      code: 'E_LOGIN',
      message: expect.not.stringContaining('guess'),
    });
  });

  test('a server that takes only keys: nobody is asked for a password', async () => {
    const { sshd, directory, read } = await scene({ config: ['PasswordAuthentication no'] });
    makeKey(join(directory, 'stranger'));
    const settings: SshSettings = {
      knownHosts: [sshd.knownHosts],
      identities: [join(directory, 'stranger')],
      password: async () => {
        throw new Error('asked');
      },
    };
    await expect(read(settings)).rejects.toMatchObject({
      code: 'E_LOGIN',
      message: expect.stringContaining('tried: publickey'),
    });
  });

  test('a file that is no key, and one that is not there', async () => {
    const { sshd, read } = await scene();
    const settings = (identity: string): SshSettings => ({
      knownHosts: [sshd.knownHosts],
      identities: [identity],
    });
    for (const file of [sshd.knownHosts, `${sshd.identity}.pub`]) {
      await chmod(file, 0o644);
      await expect(read(settings(file))).rejects.toMatchObject({ code: 'E_EXPOSED' });
      await chmod(file, 0o600);
      await expect(read(settings(file))).rejects.toMatchObject({ code: 'E_KEY' });
    }
    await expect(read(settings('/nowhere/id'))).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  });

  test('~/.ssh: config, keys and known_hosts', async () => {
    const { sshd, directory, read } = await scene();
    await mkdir(join(directory, '.ssh'));
    await copyFile(sshd.knownHosts, join(directory, '.ssh/known_hosts'));
    await copyFile(sshd.identity, join(directory, '.ssh/edge key'));
    await writeFile(
      join(directory, '.ssh/config'),
      `Host edge\n  HostName 127.0.0.1\n  User ${sshd.user}\n  Port ${sshd.port}\n  IdentityFile "~/.ssh/edge key"\n` +
        'Host far\n  ProxyJump edge\n',
    );
    const location = `sftp://edge${join(sshd.directory, 'hello')}`;
    expect(await read({ home: directory }, location)).toBe('hello');
    await expect(read({ home: directory }, 'sftp://far/x')).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('ProxyJump edge'),
    });
    await copyFile(sshd.identity, join(directory, '.ssh/id_ed25519'));
    await writeFile(join(directory, '.ssh/config'), '');
    expect(await read({ home: directory })).toBe('hello');
  });
});

describe.skipIf(!hasSshd)('who the server is', () => {
  test('a server that nobody knows is refused, with its fingerprint and the way to add it, and nothing is remembered', async () => {
    const { sshd, directory, read } = await scene();
    await mkdir(join(directory, '.ssh'));
    await writeFile(join(directory, '.ssh/known_hosts'), '');
    const settings: SshSettings = {
      home: directory,
      identities: [sshd.identity],
      password: async () => {
        throw new Error('asked');
      },
    };
    await expect(read(settings)).rejects.toMatchObject({
      code: 'E_HOST_KEY',
      message: expect.stringContaining(`ssh-ed25519 ${sshd.fingerprint}`),
      hint: expect.stringContaining(`ssh-keyscan -p ${sshd.port} 127.0.0.1`),
    });
    expect(await readFile(join(directory, '.ssh/known_hosts'), 'utf8')).toBe('');
    expect(await sshd.log()).not.toContain('Accepted');
    await expect(read({ ...settings, home: undefined })).rejects.toMatchObject({ code: 'E_HOST_KEY' });
  });

  test('a changed key is refused, naming file and line', async () => {
    const { sshd, directory, read } = await scene();
    makeKey(join(directory, 'other'));
    const other = (await readFile(join(directory, 'other.pub'), 'utf8')).trim();
    const knownHosts = join(directory, 'known');
    await writeFile(knownHosts, `# mine\n[127.0.0.1]:${sshd.port} ${other}\n`);
    await expect(read({ knownHosts: [knownHosts], identities: [sshd.identity] })).rejects.toMatchObject({
      code: 'E_HOST_KEY',
      message: expect.stringMatching(/HAS CHANGED.*known line 2 says ssh-ed25519 SHA256:/),
      details: expect.objectContaining({ file: knownHosts, line: 2, found: sshd.fingerprint }),
    });
    expect(await sshd.log()).not.toContain('Accepted');
  });

  test('a server that has no key of a known type any more is refused, naming file and line', async () => {
    const { sshd, directory, read } = await scene({ hostKey: 'rsa' });
    makeKey(join(directory, 'other'));
    const other = (await readFile(join(directory, 'other.pub'), 'utf8')).trim();
    const knownHosts = join(directory, 'known');
    await writeFile(knownHosts, `[127.0.0.1]:${sshd.port} ${other}\n`);
    await expect(read({ knownHosts: [knownHosts], identities: [sshd.identity] })).rejects.toMatchObject({
      code: 'E_HOST_KEY',
      message: expect.stringContaining('known line 1'),
    });
  });

  test('hashed, revoked, several files, another port', async () => {
    const { sshd, directory, read } = await scene();
    const hashed = join(directory, 'hashed');
    await copyFile(sshd.knownHosts, hashed);
    execFileSync('ssh-keygen', ['-H', '-f', hashed], { stdio: 'pipe' });
    expect(await readFile(hashed, 'utf8')).toContain('|1|');
    const identities = [sshd.identity];
    expect(await read({ knownHosts: [hashed], identities })).toBe('hello');
    const plain = join(directory, 'plain');
    await writeFile(plain, `127.0.0.1 ${sshd.publicKey}\n`);
    await expect(read({ knownHosts: [plain], identities })).rejects.toMatchObject({ code: 'E_HOST_KEY' });
    expect(await read({ knownHosts: [plain, hashed], identities })).toBe('hello');
    const revoked = join(directory, 'revoked');
    await writeFile(revoked, `@revoked * ${sshd.publicKey}\n`);
    await expect(read({ knownHosts: [hashed, revoked], identities })).rejects.toMatchObject({
      code: 'E_HOST_KEY',
      message: expect.stringContaining('revoked line 1'),
    });
    await writeFile(revoked, `@cert-authority * ${sshd.publicKey}\n`);
    await expect(read({ knownHosts: [revoked], identities })).rejects.toMatchObject({ code: 'E_HOST_KEY' });
    await expect(read({ knownHosts: [join(directory, 'none')], identities })).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
  });

  test('a fingerprint in place of known_hosts', async () => {
    const { sshd, directory, read } = await scene();
    const identities = [sshd.identity];
    expect(await read({ hostKeys: [sshd.fingerprint], identities })).toBe('hello');
    makeKey(join(directory, 'other'));
    const other = /SHA256:\S+/.exec(
      execFileSync('ssh-keygen', ['-lf', join(directory, 'other')], { encoding: 'utf8' }),
    )![0];
    expect(await read({ hostKeys: [other, sshd.fingerprint], identities })).toBe('hello');
    await expect(
      read({ hostKeys: [other], knownHosts: [sshd.knownHosts], identities }),
    ).rejects.toMatchObject({
      code: 'E_HOST_KEY',
      details: expect.objectContaining({ expected: other, found: sshd.fingerprint }),
    });
    for (const pin of ['', sshd.fingerprint.slice(0, -1), 'MD5:00:11', sshd.fingerprint.toLowerCase()]) {
      await expect(read({ hostKeys: [pin], identities })).rejects.toMatchObject({ code: 'E_USAGE' });
    }
    await expect(read({ hostKeys: [], identities })).rejects.toMatchObject({ code: 'E_HOST_KEY' });
  });

  test('the sign of SHA-1 is not accepted, from the server neither', async () => {
    const { sshd, read } = await scene({ hostKey: 'rsa', config: ['HostKeyAlgorithms ssh-rsa'] });
    await expect(read({ knownHosts: [sshd.knownHosts], identities: [sshd.identity] })).rejects.toMatchObject({
      code: 'E_HOST_KEY',
    });
    const weak = await scene({ config: ['Ciphers aes128-ctr', 'MACs hmac-sha1'] });
    await expect(
      weak.read({ knownHosts: [weak.sshd.knownHosts], identities: [weak.sshd.identity] }),
    ).rejects.toMatchObject({ code: 'E_NETWORK', message: expect.stringContaining('MAC') });
  });
});
