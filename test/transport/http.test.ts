import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { isPlugferryError, type PlugferryError } from '../../src/errors.js';
import { inspectBundle, verifyBundle } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { transportFor } from '../../src/transport/locations.js';
import type { WriteRequest } from '../../src/transport/transport.js';
import { hasNginx, startNginx } from '../helpers/nginx.js';
import { tempDir } from '../helpers/temp.js';
import { noise } from '../helpers/wasm.js';
import { startWeb, type Handler } from '../helpers/web.js';

const patience = { retryMs: [1, 1] };
const content = noise('bundle', 3_000_000);
const digest = { size: content.length, sha256: sha256Of(content) };

async function localFile(bytes: Uint8Array = content) {
  const path = join(await tempDir(), 'local.tar.gz');
  await writeFile(path, bytes);
  return { path, digest: { size: bytes.length, sha256: sha256Of(bytes) } };
}

async function refusal(work: Promise<unknown>): Promise<PlugferryError> {
  const error: unknown = await work.then(
    (value) => value,
    (reason: unknown) => reason,
  );
  if (!isPlugferryError(error)) throw new Error(`expected a refusal, got ${String(error)}`);
  return error;
}

const put = async (location: string, request: WriteRequest = {}, bytes = content) =>
  transportFor(location, { patience }).write(await localFile(bytes), request);

test.each(['ftp://host/x', 'oci://host/x', 'constructor://host/x'])('%s is no place', (location) => {
  expect(() => transportFor(location)).toThrow(expect.objectContaining({ code: 'E_USAGE' }) as Error);
});

describe.runIf(hasNginx)('with nginx', () => {
  async function dav(directives = 'dav_methods PUT; client_max_body_size 0;') {
    const root = await tempDir();
    const nginx = await startNginx(root, directives);
    onTestFinished(() => nginx.stop());
    return { root, url: nginx.url };
  }

  test('a file is put, found to be there, and read back', async () => {
    const { root, url } = await dav();
    const seen: number[] = [];
    const sent = await put(`${url}/edge.tar.gz`, { progress: (done) => seen.push(done) });
    expect(sent).toEqual({ size: digest.size, resumedAt: 0, proof: 'size' });
    expect(sha256Of(await readFile(join(root, 'edge.tar.gz')))).toBe(digest.sha256);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    const { bytes, size, version } = await transportFor(`${url}/edge.tar.gz`).read();
    expect(size).toBe(digest.size);
    expect(version).toMatch(/^".+"$/);
    expect(sha256Of(Buffer.concat(await bytes.toArray()))).toBe(digest.sha256);
  });

  test('what is there is replaced only by force', async () => {
    const { root, url } = await dav();
    await writeFile(join(root, 'edge.tar.gz'), 'precious');
    expect(await refusal(put(`${url}/edge.tar.gz`))).toMatchObject({ code: 'E_EXISTS' });
    expect(await readFile(join(root, 'edge.tar.gz'), 'utf8')).toBe('precious');
    await put(`${url}/edge.tar.gz`, { force: true });
    expect(sha256Of(await readFile(join(root, 'edge.tar.gz')))).toBe(digest.sha256);
  });

  test('a server without PUT is named as such, and nothing is sent', async () => {
    const { root, url } = await dav('client_max_body_size 0;');
    const error = await refusal(put(`${url}/edge.tar.gz`));
    expect(error).toMatchObject({ code: 'E_USAGE', details: { found: 'status 405' } });
    expect(error.hint).toContain('sftp://');
    expect(await readdir(root)).toEqual([]);
  });

  test('a file that is larger than the server takes', async () => {
    const { url } = await dav('dav_methods PUT; client_max_body_size 1m;');
    expect(await refusal(put(`${url}/edge.tar.gz`))).toMatchObject({ code: 'E_LIMIT' });
  });

  test('a download goes on where another one stopped', async () => {
    const { root, url } = await dav();
    await writeFile(join(root, 'edge.tar.gz'), content);
    const remote = transportFor(`${url}/edge.tar.gz`);
    const { version, bytes } = await remote.read();
    bytes.destroy();
    const rest = await remote.read({ start: 1_000_000, version });
    expect(rest).toMatchObject({ start: 1_000_000, size: content.length });
    expect(Buffer.concat(await rest.bytes.toArray()).equals(content.subarray(1_000_000))).toBe(true);
    await writeFile(join(root, 'edge.tar.gz'), content.subarray(1));
    const anew = await remote.read({ start: 1_000_000, version });
    expect([anew.start, anew.size]).toEqual([0, content.length - 1]);
    anew.bytes.destroy();
  });

  test('a bundle is inspected where it is; one that is not there, or a page, is not', async () => {
    const { root, url } = await dav();
    await mkdir(join(root, 'pages'));
    expect(await refusal(inspectBundle({ bundle: `${url}/none.tar.gz` }))).toMatchObject({
      code: 'E_NOT_FOUND',
    });
    await writeFile(join(root, 'pages/login.html'), '<html>who are you?</html>');
    const page = await refusal(inspectBundle({ bundle: `${url}/pages/login.html` }));
    expect(page.details['found']).toBe('text/html');
  });
});

describe('a PUT', () => {
  /** Takes the whole body, then answers as told. */
  const taking =
    (answers: readonly Handler[]): Handler =>
    (request, response) => {
      if (request.method === 'HEAD') {
        response.writeHead(404).end();
        return;
      }
      request.on('data', () => undefined).on('end', () => answers[0]?.(request, response));
    };

  test('says what it sends, and believes a digest more than a size', async () => {
    let held: string | undefined;
    const web = await startWeb((request, response) => {
      if (request.method === 'HEAD') {
        response.writeHead(held === undefined ? 404 : 200, held === undefined ? {} : { 'repr-digest': held });
        response.end();
        return;
      }
      held = String(request.headers['repr-digest']);
      request.resume().on('end', () => response.writeHead(201).end());
    });
    expect((await put(`${web.url}/x.tar.gz`)).proof).toBe('digest');
    expect(web.headers[1]).toMatchObject({
      'content-length': String(content.length),
      'if-none-match': '*',
      'repr-digest': `sha-256=:${Buffer.from(digest.sha256, 'hex').toString('base64')}:`,
    });
    held = `sha-256=:${Buffer.alloc(32).toString('base64')}:`;
  });

  test('that a server lost part of is an error', async () => {
    let there = false;
    const web = await startWeb((request, response) => {
      if (request.method === 'HEAD') response.writeHead(there ? 200 : 404, { 'content-length': 7 }).end();
      else
        request.resume().on('end', () => {
          there = true;
          response.writeHead(201).end();
        });
    });
    expect(await refusal(put(`${web.url}/x`))).toMatchObject({ code: 'E_DIGEST', details: { found: 7 } });
  });

  test.each([
    [401, 'E_NETWORK'],
    [403, 'E_NETWORK'],
    [409, 'E_NOT_FOUND'],
    [412, 'E_EXISTS'],
    [501, 'E_USAGE'],
    [507, 'E_NO_SPACE'],
    [302, 'E_NETWORK'],
    [307, 'E_NETWORK'],
  ])('that is answered with %d is %s, at once', async (status, code) => {
    const web = await startWeb(
      taking([(_request, response) => response.writeHead(status, { location: '/other' }).end()]),
    );
    expect((await refusal(put(`${web.url}/x`))).code).toBe(code);
    expect(web.asked).toEqual(['/x', '/x']);
  });

  test('that is cut off is sent again from the beginning', async () => {
    let puts = 0;
    const web = await startWeb((request, response) => {
      if (request.method === 'HEAD') response.writeHead(puts === 0 ? 404 : 403).end();
      else if ((puts += 1) === 1) request.once('data', () => request.socket.destroy());
      else request.resume().on('end', () => response.writeHead(201).end());
    });
    expect((await put(`${web.url}/x`)).proof).toBe('none');
    expect(puts).toBe(2);
  });

  test('whose answer got lost is not taken for a file of somebody else', async () => {
    let puts = 0;
    const web = await startWeb((request, response) => {
      if (request.method === 'HEAD')
        response.writeHead(puts === 0 ? 404 : 200, { 'content-length': content.length }).end();
      else if ((puts += 1) === 1) request.resume().on('end', () => request.socket.destroy());
      else request.resume().on('end', () => response.writeHead(412).end());
    });
    expect(await put(`${web.url}/x`)).toMatchObject({ proof: 'size' });
  });

  test('of a file that changed never becomes whole', async () => {
    let whole = 0;
    const web = await startWeb((request, response) => {
      if (request.method === 'HEAD') response.writeHead(404).end();
      else
        request
          .resume()
          .on('end', () => (whole += 1))
          .on('error', () => undefined);
    });
    const file = await localFile();
    await writeFile(file.path, noise('other', content.length));
    const error = await refusal(transportFor(`${web.url}/x`, { patience }).write(file));
    expect(error.code).toBe('E_SOURCE_CHANGED');
    expect(whole).toBe(0);
  });
});

describe('standard input', () => {
  test('is a place only where it is given, and once', async () => {
    expect(await refusal(inspectBundle({ bundle: '-' }))).toMatchObject({ code: 'E_USAGE' });
    const stdin = Readable.from([Buffer.from('not a bundle')], { objectMode: false });
    const trust = { publicKeys: [] };
    expect(await refusal(verifyBundle({ bundle: '-', stdin, trust }))).toMatchObject({ code: 'E_CONTAINER' });
    expect(await refusal(verifyBundle({ bundle: '-', stdin, trust }))).toMatchObject({ code: 'E_USAGE' });
  });

  test('of another digest is not looked at', async () => {
    const stdin = Readable.from([Buffer.from('not a bundle')], { objectMode: false });
    const error = await refusal(inspectBundle({ bundle: '-', stdin, sha256: digest.sha256 }));
    expect(error).toMatchObject({ code: 'E_DIGEST', details: { expected: digest.sha256 } });
  });
});
