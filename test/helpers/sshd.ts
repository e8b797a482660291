import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { freePort } from './http.js';

const program = '/usr/sbin/sshd';

/** Whether a real OpenSSH server can be started here; says what to install where it cannot. */
export const hasSshd = existsSync(program) && spawnSync('ssh-keygen', ['-?']).error === undefined;
if (!hasSshd) {
  // eslint-disable-next-line no-console
  console.warn('skipped: tests against OpenSSH. Install it: apt-get install openssh-server openssh-client');
}

export interface Sshd {
  readonly port: number;
  /** Name of the account that may log in: whoever runs the test. */
  readonly user: string;
  /** A private key without passphrase that may log in. */
  readonly identity: string;
  /** A known_hosts file that has the server's key. */
  readonly knownHosts: string;
  /** `SHA256:...` of the server's key. */
  readonly fingerprint: string;
  /** `ssh-ed25519 AAAA...`, as known_hosts has it. */
  readonly publicKey: string;
  /** A directory for keys and the like. */
  readonly directory: string;
  /** `sftp://user@127.0.0.1:port` and the path. */
  url(path: string): string;
  log(): Promise<string>;
}

export interface SshdOptions {
  /** Further lines of sshd_config. */
  readonly config?: readonly string[];
  /** Type of the host key. @default ed25519 */
  readonly hostKey?: string;
  /** @default a free one */
  readonly port?: number;
  /** An account with a password, known to this sshd alone; see {@link canAddAccount}. */
  readonly account?: { readonly name: string; readonly password: string };
}

/** Whether this process may give one sshd an /etc/passwd of its own: root with CAP_SYS_ADMIN. */
export const canAddAccount =
  userInfo().uid === 0 &&
  spawnSync('unshare', ['-m', 'mount', '--bind', '/etc/passwd', '/etc/passwd']).status === 0;
if (!canAddAccount) {
  // eslint-disable-next-line no-console
  console.warn(
    'skipped: OpenSSH with a password. It needs root with CAP_SYS_ADMIN, for an account of its own',
  );
}

export function makeKey(path: string, options: readonly string[] = []): void {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', ...options, '-f', path]);
}

/** Starts Debian's sshd for the account that runs the test, until the test has finished. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const { config = [], hostKey = 'ed25519', port, account } = options;
  const directory = await mkdtemp(join(tmpdir(), 'plugferry-sshd-'));
  await chmod(directory, 0o755);
  const at = port ?? (await freePort());
  const [host, identity, knownHosts] = ['host', 'id', 'known_hosts'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  makeKey(host, ['-t', hostKey]);
  makeKey(identity);
  await writeFile(join(directory, 'authorized_keys'), await readFile(`${identity}.pub`));
  const publicKey = (await readFile(`${host}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
  await writeFile(knownHosts, `[127.0.0.1]:${at} ${publicKey}\n`);
  await writeFile(join(directory, 'sshd_config'), configuration(directory, at, config));
  // Where it separates privileges as root; others run without.
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
  const words = [program, '-D', '-f', join(directory, 'sshd_config'), '-E', join(directory, 'log')];
  const [command = '', ...args] =
    account === undefined ? words : await withAccount(directory, account, words);
  const child = spawn(command, args, { stdio: 'ignore' });
  onTestFinished(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await rm(directory, { recursive: true, force: true });
  });
  const log = (): Promise<string> => readFile(join(directory, 'log'), 'utf8');
  await listening(child, at, log);
  const user = account?.name ?? userInfo().username;
  const fingerprint = /SHA256:\S+/.exec(
    execFileSync('ssh-keygen', ['-lf', `${host}.pub`], { encoding: 'utf8' }),
  );
  return {
    port: at,
    user,
    identity,
    knownHosts,
    publicKey,
    directory,
    fingerprint: fingerprint?.[0] ?? '',
    url: (path) => `sftp://${user}@127.0.0.1:${at}${path}`,
    log,
  };
}

/** A command line that runs `words` where /etc/passwd and /etc/shadow have one account more, and nobody else sees that. */
async function withAccount(
  directory: string,
  { name, password }: { readonly name: string; readonly password: string },
  words: readonly string[],
): Promise<string[]> {
  const home = join(directory, 'home');
  await mkdir(home);
  await chown(home, 4242, 4242);
  await chmod(directory, 0o755);
  const hash = execFileSync('openssl', ['passwd', '-6', '-stdin'], {
    input: password,
    encoding: 'utf8',
  }).trim();
  const lines = {
    passwd: `${name}:x:4242:4242::${home}:/bin/sh`,
    shadow: `${name}:${hash}:19000:0:99999:7:::`,
  };
  for (const [file, line] of Object.entries(lines)) {
    await writeFile(join(directory, file), `${await readFile(`/etc/${file}`, 'utf8')}${line}\n`);
  }
  const script = `mount --bind ${directory}/passwd /etc/passwd && mount --bind ${directory}/shadow /etc/shadow && exec "$@"`;
  return ['unshare', '-m', 'sh', '-c', script, 'sh', ...words];
}

const configuration = (directory: string, port: number, lines: readonly string[]): string =>
  [
    ...lines,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${directory}/host`,
    `AuthorizedKeysFile ${directory}/authorized_keys`,
    `PidFile ${directory}/pid`,
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin yes',
    'KbdInteractiveAuthentication no',
    'MaxStartups 100',
    'Subsystem sftp internal-sftp',
    '',
  ].join('\n');

async function listening(child: ChildProcess, port: number, log: () => Promise<string>): Promise<void> {
  for (let tries = 0; tries < 1200 && child.exitCode === null; tries += 1) {
    const answered = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      }).on('error', () => {
        resolve(false);
      });
    });
    if (answered) return;
    await sleep(50);
  }
  throw new Error(`sshd did not start: ${await log().catch(() => '')}`);
}
