import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { parseHttpAddress } from '../../src/http/address.js';
import { HttpUploads } from '../../src/http/uploads.js';
import { HttpClient } from '../../src/http/client.js';

/** A server that gives `status` once and takes or gives everything after that; `asked` counts. */
async function busyOnce(status: number): Promise<{ url: string; asked: () => number }> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    request.resume();
    request.once('end', () => {
      response.writeHead(asked === 1 ? status : 200, { 'content-length': '2' }).end('ok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`, asked: () => asked };
}

const patience = { retryMs: [1, 1] };
const body = Buffer.from('body');

const reading = async (url: string): Promise<unknown> => {
  const address = parseHttpAddress(url);
  return new HttpClient(address, { patience }).document({ url: address.url, limit: 100 });
};

const writing = async (url: string): Promise<unknown> => {
  const address = parseHttpAddress(url);
  const upload = { size: body.length, sha256: sha256Of(body), force: true };
  return new HttpUploads(address, { patience }).put({
    url: address.url,
    ...upload,
    open: async () => Readable.from([body]),
  });
};

test.each([408, 429, 500, 502, 503, 504])(
  'status %d is worth another try for reading and for writing',
  async (status) => {
    for (const work of [reading, writing]) {
      const { url, asked } = await busyOnce(status);
      await work(url);
      expect(asked()).toBe(2);
    }
  },
);

test.each([400, 403, 501, 505, 507, 511])(
  'status %d is final for reading and for writing',
  async (status) => {
    for (const work of [reading, writing]) {
      const { url, asked } = await busyOnce(status);
      await expect(work(url)).rejects.toMatchObject({ code: expect.stringMatching(/^E_/) as string });
      expect(asked()).toBe(1);
    }
  },
);
