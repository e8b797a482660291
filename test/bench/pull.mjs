/**
 * 500 MB from nginx on this machine by `plugferry pull`, beside `curl`, in turns: only the ratios carry. A pull also hashes the
 * file and waits until it is on the disk, which `curl -o` does not: the second line gives that to curl as well.
 *
 *     npm run bench -- --pull [--runs N]
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, makeFile, megabytes } from './scene.mjs';

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

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Prints the medians and how much of curl's rate a pull has. */
export async function benchPull(runs) {
  const work = mkdtempSync(join(process.env.PLUGFERRY_BENCH_DIR ?? tmpdir(), 'plugferry-bench-'));
  makeFile(join(work, 'file.bin'));
  const { url, child } = await startNginx(work);
  const timed = (script) => {
    rmSync(join(work, 'out'), { force: true });
    const began = performance.now();
    execFileSync('sh', ['-e', '-c', script], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] });
    return (performance.now() - began) / 1000;
  };
  const ways = {
    'curl -o': `curl -sf -o out ${url}`,
    'curl -o, sha256sum, sync': `curl -sf -o out ${url}; sha256sum out; sync out`,
  };
  try {
    console.log(`${megabytes} MB over HTTP on this machine, ${runs} runs in turns, medians`);
    for (const [title, script] of Object.entries(ways)) {
      const pairs = Array.from({ length: runs }, () => [
        timed(script),
        timed(`'${process.execPath}' '${binary}' pull ${url} -o out -q`),
      ]);
      const [theirs, ours] = [0, 1].map((side) => median(pairs.map((pair) => pair[side])));
      const ratio = median(pairs.map(([their, our]) => their / our));
      console.log(
        `${title.padEnd(28)} ${theirs.toFixed(2)} s  plugferry pull ${ours.toFixed(2)} s  ratio ${ratio.toFixed(2)}`,
      );
    }
  } finally {
    child.kill();
    rmSync(work, { recursive: true, force: true });
  }
}
