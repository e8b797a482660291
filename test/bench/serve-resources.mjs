/**
 * What `plugferry serve` needs, for the resources of `render deployment`: memory when idle and at the peak, and processor time a
 * gigabyte, while many gateways load at once. `npm run build && node test/bench/serve-resources.mjs [PLUGINS] [MB] [CLIENTS]`.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [plugins = 100, megabytes = 5, clients = 50] = process.argv.slice(2).map(Number);
const root = mkdtempSync(join(tmpdir(), 'plugferry-bench-'));
const child = { pid: 0, kill: () => undefined };
try {
  for (let at = 0; at < plugins; at += 1) {
    const path = join(root, 'plugins', `plugin-${at}`, '1.0.0');
    mkdirSync(path, { recursive: true });
    const header = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    writeFileSync(join(path, 'plugin.wasm'), Buffer.concat([header, randomBytes(megabytes * 1024 * 1024)]));
  }
  Object.assign(
    child,
    spawn(
      process.execPath,
      [join(import.meta.dirname, '../../bin/plugferry.js'), 'serve', root, '--port', '0', '--no-access-log'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    ),
  );
  const url = await ready(child.stderr);
  const idle = memory('VmRSS');
  const before = processorSeconds();
  const loads = Array.from({ length: clients }, (_, client) => download(url, client));
  const bytes = (await Promise.all(loads)).reduce((sum, each) => sum + each, 0);
  const seconds = processorSeconds() - before;
  const report = {
    plugins,
    megabytes,
    clients,
    startProcessorSeconds: before,
    idleMiB: idle,
    peakMiB: memory('VmHWM'),
    gigabytes: Math.round(bytes / 1e8) / 10,
    processorSecondsPerGigabyte: Math.round((seconds / (bytes / 1e9)) * 100) / 100,
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
} finally {
  child.kill('SIGTERM');
  rmSync(root, { recursive: true });
}

async function ready(stderr) {
  for await (const line of createInterface({ input: stderr })) {
    const found = /http:\/\/[^/ ]+/.exec(line)?.[0];
    if (found !== undefined) return found;
  }
  throw new Error('serve ended');
}

/** Each client fetches ten plugins, one after the other, as a gateway does that starts. */
async function download(url, client) {
  let bytes = 0;
  for (let step = 0; step < 10; step += 1) {
    const plugin = (client * 7 + step) % plugins;
    bytes += await new Promise((resolve, reject) => {
      get(`${url}/plugins/plugin-${plugin}/1.0.0/plugin.wasm`, (response) => {
        let size = 0;
        response
          .on('data', (chunk) => (size += chunk.length))
          .on('end', () => resolve(size))
          .on('error', reject);
      }).on('error', reject);
    });
  }
  return bytes;
}

/** MiB, as the kernel counts them. */
function memory(field) {
  const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(
    readFileSync(`/proc/${child.pid}/status`, 'utf8'),
  );
  return Math.round(Number(kib) / 1024);
}

/** User and system time; the kernel counts in hundredths. */
function processorSeconds() {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
