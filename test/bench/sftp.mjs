/**
 * 500 MB to and from an OpenSSH server on this machine, beside OpenSSH's own sftp, in turns: only the ratios carry. A push also
 * hashes the file, flushes it on the server, and has it hashed there: `sftp put` does none of that, so the whole is set beside
 * `sftp put` with sha256sum on both sides.
 *
 *     npm run bench -- --sftp [--runs N]
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, makeFile, megabytes } from './scene.mjs';

const binary = join(import.meta.dirname, '../../bin/plugferry.js');

/** The transport alone, as one file: only it can tell how long the sending itself took. */
function bundled() {
  const [root, outfile] = [join(import.meta.dirname, '../..'), 'dist/bench/sftp-carrier.mjs'];
  const options = {
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    absWorkingDir: root,
  };
  buildSync({ ...options, entryPoints: ['test/bench/sftp-carrier.mjs'], outfile });
  return join(root, outfile);
}

async function startSshd(work) {
  const port = await freePort();
  for (const name of ['host', 'id']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(work, name)]);
  }
  writeFileSync(join(work, 'authorized_keys'), readFileSync(join(work, 'id.pub')));
  writeFileSync(
    join(work, 'known_hosts'),
    `[127.0.0.1]:${port} ${readFileSync(join(work, 'host.pub'), 'utf8')}`,
  );
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${work}/host`,
    `AuthorizedKeysFile ${work}/authorized_keys`,
    `PidFile ${work}/pid`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'Subsystem sftp internal-sftp',
  ];
  writeFileSync(join(work, 'sshd_config'), `${lines.join('\n')}\n`);
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true });
  const child = spawn('/usr/sbin/sshd', ['-D', '-f', join(work, 'sshd_config'), '-E', join(work, 'log')], {
    stdio: 'ignore',
  });
  await sleep(500);
  return { port, child };
}

const seconds = (action) => {
  const began = performance.now();
  action();
  return (performance.now() - began) / 1000;
};
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** @param runs how often each is measured. */
export async function benchSftp(runs) {
  const work = mkdtempSync(join(tmpdir(), 'plugferry-bench-'));
  const carrier = bundled();
  const { port, child } = await startSshd(work);
  const [file, there, back] = ['file', 'there', 'back'].map((name) => join(work, name));
  const server = `${userInfo().username}@127.0.0.1`;
  const common = [
    '-q',
    '-i',
    join(work, 'id'),
    '-F',
    '/dev/null',
    '-o',
    `UserKnownHostsFile=${work}/known_hosts`,
  ];
  const run = (program, args, input = '') =>
    execFileSync(program, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'] });
  const sftp = (line) => run('sftp', [...common, '-b', '-', '-P', String(port), server], `${line}\n`);
  const digests = () => {
    const [here] = run('sha256sum', [file]).split(' ');
    const [over] = run('ssh', [...common, '-p', String(port), server, `sha256sum ${there}`]).split(' ');
    if (here !== over) throw new Error('the digests differ');
  };
  const at = (path) => `sftp://${server}:${port}${path}`;
  const [identity, knownHosts] = [join(work, 'id'), join(work, 'known_hosts')];
  const sending = () => Number(run(process.execPath, [carrier, file, at(there), identity, knownHosts]));
  const plugferry = (...words) =>
    run(process.execPath, [binary, ...words, '-q', '--identity', identity, '--known-hosts', knownHosts]);
  const clear = (path) => rmSync(path, { force: true });

  const push = () => {
    clear(there);
    const put = seconds(() => sftp(`put ${file} ${there}`));
    const byHand = put + seconds(digests);
    clear(there);
    const sent = sending();
    clear(there);
    return [put / sent, byHand / seconds(() => plugferry('push', file, at(there)))];
  };
  const pull = () => {
    clear(back);
    const get = seconds(() => sftp(`get ${file} ${back}`));
    clear(back);
    return [get / seconds(() => plugferry('pull', at(file), '-o', back))];
  };
  try {
    makeFile(file);
    console.log(
      `${megabytes} MB over OpenSSH on loopback, ${runs} runs in turns, medians; 0.8 means 0.8 times as fast`,
    );
    const [pushes, pulls] = [push, pull].map((once) => Array.from({ length: runs }, once));
    for (const copy of [there, back]) execFileSync('cmp', [file, copy]);
    const rate = (pairs, index) => median(pairs.map((pair) => pair[index])).toFixed(2);
    console.log(`its sending alone, beside "sftp put"                      ${rate(pushes, 0)}`);
    console.log(`plugferry push, beside "sftp put" and sha256sum on both sides ${rate(pushes, 1)}`);
    console.log(`plugferry pull, beside "sftp get"                         ${rate(pulls, 0)}`);
  } finally {
    child.kill();
    rmSync(dirname(carrier), { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  }
}
