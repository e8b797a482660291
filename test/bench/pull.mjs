/**
 * 500 MB from nginx on this machine by `plugferry pull`, beside `curl -o`, in turns: only the ratios carry. A pull also hashes the
 * file and waits until it is on the disk, which `curl -o` does not: the last line gives that to curl as well.
 *
 *     npm run bench -- --pull [--runs N]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compare, freePort, makeFile, megabytes, secondsOf, timed } from './scene.mjs';

const binary = join(import.meta.dirname, '../../bin/plugferry.js');

function configuration(work, port) {
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `${userInfo().uid === 0 ? 'user root;' : ''}
daemon off; pid ${work}/nginx.pid; error_log ${work}/error.log;
events {}
http {
  access_log off; sendfile on;
  ${scratch.map((name) => `${name}_temp_path ${work}/${name};`).join(' ')}
  server { listen 127.0.0.1:${port}; root ${work}; }
}
`;
}

async function startNginx(work) {
  const port = await freePort();
  writeFileSync(join(work, 'nginx.conf'), configuration(work, port));
  const child = spawn('nginx', ['-p', work, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'inherit' });
  const url = `http://127.0.0.1:${port}/file.bin`;
  for (let tries = 0; tries < 100; tries += 1) {
    if (
      await fetch(url, { method: 'HEAD' }).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return { url, child };
    await sleep(50);
  }
  child.kill();
  throw new Error('nginx did not start; install nginx-light');
}

/** Prints the medians and how much of curl's rate a pull has. */
export async function benchPull(runs) {
  const work = mkdtempSync(join(process.env.PLUGFERRY_BENCH_DIR ?? tmpdir(), 'plugferry-bench-'));
  makeFile(join(work, 'file.bin'));
  const { url, child } = await startNginx(work);
  const run = (program, ...args) => {
    rmSync(join(work, 'out'), { force: true });
    return timed(program, args, { cwd: work });
  };
  const pull = () => run(process.execPath, binary, 'pull', url, '-o', 'out', '--progress', 'json');
  try {
    console.log(`${megabytes} MB over HTTP on this machine, ${runs} runs in turns, medians`);
    // Each by its own clock, from the connection to the last byte in the file. By then nearly all of it is hashed.
    compare('transfer: curl -o', {
      runs,
      theirs: () => Number(run('curl', '-sf', '-o', 'out', '-w', '%{time_total}', url).stdout),
      ours: () => secondsOf('download', pull().stderr),
    });
    compare('whole command: curl -o', {
      runs,
      theirs: () => run('curl', '-sf', '-o', 'out', url).seconds,
      ours: () => pull().seconds,
    });
    compare('the same work: curl -o, sha256sum, sync', {
      runs,
      theirs: () => run('sh', '-ec', `curl -sf -o out ${url}; sha256sum out; sync out`).seconds,
      ours: () => pull().seconds,
    });
  } finally {
    child.kill();
    rmSync(work, { recursive: true, force: true });
  }
}
