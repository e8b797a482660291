/**
 * 500 MB to and from an OpenSSH server on this machine, beside OpenSSH's own sftp, in turns: only the ratios carry. A push also
 * hashes the file, flushes it on the server, and has it hashed there, which `sftp put` does not: the third line gives that to it, too.
 *
 *     npm run bench -- --sftp [--runs N]
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compare, freePort, makeFile, megabytes, secondsOf, timed } from './scene.mjs';

const binary = join(import.meta.dirname, '../../bin/plugferry.js');

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

/** @param runs how often each is measured. */
export async function benchSftp(runs) {
  const work = mkdtempSync(join(process.env.PLUGFERRY_BENCH_DIR ?? tmpdir(), 'plugferry-bench-'));
  const { port, child } = await startSshd(work);
  const [file, there, back] = ['file', 'there', 'back'].map((name) => join(work, name));
  const server = `${userInfo().username}@127.0.0.1`;
  const login = `-q -i ${work}/id -F /dev/null -o UserKnownHostsFile=${work}/known_hosts`;
  const by = (script) => timed('sh', ['-ec', script], { cwd: work });
  const sftp = (line) => `echo ${line} | sftp ${login} -b - -P ${port} ${server}`;
  const hashBoth = `sha256sum ${file}; ssh ${login} -p ${port} ${server} sha256sum ${there}`;
  const plugferry = (...words) => {
    const options = [
      '--progress',
      'json',
      '--identity',
      `${work}/id`,
      '--known-hosts',
      `${work}/known_hosts`,
    ];
    return timed(process.execPath, [binary, ...words, ...options], { cwd: work });
  };
  const location = `sftp://${server}:${port}${there}`;
  const without = (path, action) => {
    rmSync(path, { force: true });
    return action();
  };
  const push = () => without(there, () => plugferry('push', file, location));
  const pull = () => without(back, () => plugferry('pull', location, '-o', back));
  const put = () => without(there, () => by(sftp(`put ${file} ${there}`))).seconds;
  const get = () => without(back, () => by(sftp(`get ${there} ${back}`))).seconds;
  try {
    makeFile(file);
    console.log(`${megabytes} MB over OpenSSH on loopback, ${runs} runs in turns, medians`);
    // Plugferry by its own clock, from the first to the last byte; sftp has no such clock.
    compare('sending: sftp put', { runs, theirs: put, ours: () => secondsOf('upload', push().stderr) });
    compare('whole command: sftp put', { runs, theirs: put, ours: () => push().seconds });
    compare('the same work: sftp put, sha256sum on both sides', {
      runs,
      theirs: () => without(there, () => by(`${sftp(`put ${file} ${there}`)}; ${hashBoth}`)).seconds,
      ours: () => push().seconds,
    });
    compare('whole command: sftp get', { runs, theirs: get, ours: () => pull().seconds });
    for (const copy of [there, back]) execFileSync('cmp', [file, copy]);
  } finally {
    child.kill();
    rmSync(work, { recursive: true, force: true });
  }
}
