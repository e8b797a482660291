/** What benches that carry one large file share. */
import { createCipheriv } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';

export const megabytes = 500;

/** Bytes that do not compress. */
export function makeFile(path) {
  const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32, 'bench'), Buffer.alloc(16));
  const file = openSync(path, 'w');
  for (let done = 0; done < megabytes; done += 1) writeSync(file, cipher.update(Buffer.alloc(1_000_000)));
  closeSync(file);
}

export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
