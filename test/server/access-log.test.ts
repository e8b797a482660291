import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { binary } from '../helpers/cli.js';
import { freePort, get } from '../helpers/http.js';
import { expectNoSecret } from '../helpers/secrets.js';
import { stopLater } from './running.js';
import { plainTree } from './trees.js';

/** `serve` with its log going where the test says, and nothing known of it but its port. */
async function serving(stderr: number | 'pipe'): Promise<{ url: string; child: ReturnType<typeof spawn> }> {
  const port = await freePort();
  const child = spawn(process.execPath, [binary, 'serve', await plainTree(), '--port', String(port)], {
    stdio: ['ignore', 'ignore', stderr],
  });
  stopLater(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
  const url = `http://127.0.0.1:${port}`;
  await expect
    .poll(() =>
      get(url, '/readyz').then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200);
  return { url, child };
}

const dropped = async (url: string): Promise<number> => {
  const text = (await get(url, '/metrics')).body.toString();
  return Number(/^plugferry_access_log_dropped_total (\d+)/m.exec(text)?.[1]);
};

test('a log reader that dies does not take the server with it', async () => {
  const { url, child } = await serving('pipe');
  const [first] = (await once(child.stderr ?? new Readable(), 'data')) as [Buffer];
  expectNoSecret(first.toString(), 'serve');
  child.stderr?.destroy();
  for (let turn = 0; turn < 20; turn += 1) expect((await get(url, '/healthz')).status).toBe(200);
  await expect.poll(() => dropped(url)).toBeGreaterThan(10);
  expect(child.exitCode).toBeNull();
});

test('a log on a full disk does not take the server with it', async () => {
  const full = await open('/dev/full', 'w');
  const { url, child } = await serving(full.fd);
  await full.close();
  for (let turn = 0; turn < 20; turn += 1) expect((await get(url, '/healthz')).status).toBe(200);
  await expect.poll(() => dropped(url)).toBeGreaterThan(10);
  expect(child.exitCode).toBeNull();
});

test('a log reader that hangs costs lines, and no memory without bound', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'plugferry-log-'));
  const fifo = join(directory, 'log');
  execFileSync('mkfifo', [fifo]);
  // Both ends: opening one alone would wait for the other. Nobody ever reads.
  const both = await open(fifo, 'r+');
  const { url } = await serving(both.fd);
  const target = `/plugins/${'x'.repeat(8000)}`;
  const ask = async (): Promise<void> => {
    for (let turn = 0; turn < 60; turn += 1) await get(url, target);
  };
  await Promise.all(Array.from({ length: 4 }, ask));
  expect(await dropped(url)).toBeGreaterThan(50);
  await both.close();
  await rm(directory, { recursive: true });
});
