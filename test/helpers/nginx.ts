import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, get } from './http.js';

/** Debian puts it where only root's PATH looks. */
const program = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', 'nginx'].find(
  (path) => spawnSync(path, ['-v']).status === 0,
);
const mimeTypes = '/etc/nginx/mime.types';

/** Whether nginx can be started here; says what to install where it cannot. */
export const hasNginx = program !== undefined && existsSync(mimeTypes);
if (!hasNginx) {
  // eslint-disable-next-line no-console
  console.warn('skipped: comparison with nginx. Install it: apt-get install nginx-light');
}

export interface Nginx {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Serves `root` with the settings of the official plugin server: autoindex, mime types, sendfile, nothing else. Everything
 * that nginx writes stays in a directory of its own, so it runs beside others and without root.
 *
 * @param directives further ones for the server block, such as `autoindex_format json;`.
 */
export async function startNginx(root: string, directives = ''): Promise<Nginx> {
  const prefix = await mkdtemp(join(tmpdir(), 'plugferry-nginx-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await writeFile(join(prefix, 'nginx.conf'), configuration(root, port, directives));
  const child = spawn(program ?? 'nginx', ['-p', prefix, '-c', 'nginx.conf', '-e', 'error.log'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (piece) => (complaint += String(piece)));
  await answering(child, url, () => complaint);
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      await rm(prefix, { recursive: true, force: true });
    },
  };
}

async function answering(child: ChildProcess, url: string, complaint: () => string): Promise<void> {
  for (let tries = 0; tries < 1200; tries += 1) {
    if (child.exitCode !== null) break;
    const reply = await get(url, '/').catch(() => undefined);
    if (reply !== undefined) return;
    await sleep(50);
  }
  child.kill('SIGKILL');
  throw new Error(`nginx did not start: ${complaint()}`);
}

function configuration(root: string, port: number, directives: string): string {
  // Workers of a root master become another user, who may not look into a private temporary directory.
  const user = userInfo().uid === 0 ? 'user root;' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
${user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 256; }
http {
  include ${mimeTypes};
  default_type application/octet-stream;
  access_log off;
  sendfile on;
  keepalive_timeout 65;
  server_tokens off;
  autoindex on;
  ${temporary.map((name) => `${name}_temp_path ${name}_temp;`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    root ${root};
    ${directives}
  }
}
`;
}
