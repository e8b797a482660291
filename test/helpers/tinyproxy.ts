import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { freePort } from './http.js';
import { secret } from './secrets.js';
import { tempDir } from './temp.js';

/** Whether a proxy can be started here; says what to install where it cannot. */
export const hasTinyproxy = spawnSync('tinyproxy', ['-v']).status === 0;
if (!hasTinyproxy) {
  // eslint-disable-next-line no-console
  console.warn('skipped: requests through a proxy. Install one: apt-get install tinyproxy-bin');
}

export interface Proxy {
  /** Host and port. */
  readonly address: string;
  readonly user: string;
  readonly password: string;
  /** What it was asked for so far. */
  log(): Promise<string>;
}

/** A forward proxy that wants a login, until the test has finished. */
export async function startTinyproxy(): Promise<Proxy> {
  const directory = await tempDir();
  const port = await freePort();
  const [user, password] = ['carrier', secret('proxy-password')];
  const log = join(directory, 'log');
  const configuration = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 60',
    `LogFile "${log}"`,
    'LogLevel Connect',
    `BasicAuth ${user} ${password}`,
    '',
  ];
  await writeFile(join(directory, 'conf'), configuration.join('\n'));
  const child = spawn('tinyproxy', ['-d', '-c', join(directory, 'conf')], { stdio: 'ignore' });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  for (let tries = 0; tries < 1200 && !(await listens(port)); tries += 1) await sleep(50);
  return { address: `127.0.0.1:${port}`, user, password, log: () => readFile(log, 'utf8') };
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => {
      resolve(false);
    });
  });
