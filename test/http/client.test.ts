import { execFileSync, spawnSync } from 'node:child_process';
import { open, readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PlugferryError } from '../../src/errors.js';
import { digestOf } from '../../src/stream/digest.js';
import { parseHttpAddress, withoutCredentials } from '../../src/http/address.js';
import { HttpClient, type FileRequest, type HttpRequest, type Patience } from '../../src/http/client.js';
import { PrivateDirectory } from '../../src/files/temp-directory.js';
import { freePort } from '../helpers/http.js';
import { tempDir } from '../helpers/temp.js';
import { noise } from '../helpers/wasm.js';
import { serving, startWeb, type Handler, type Web } from '../helpers/web.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) {
  // eslint-disable-next-line no-console
  console.warn(
    'skipped: a server with a certificate of its own. Install what makes one: apt-get install openssl',
  );
}

/** Short enough for a test; how long a wait is never decides one. */
const quick: Partial<Patience> = { answerMs: 10_000, paceMs: 10_000, retryMs: [1, 1, 1, 1] };
const body = noise('body', 300_000);

/** A client for `<web>/base/`, and a request for `<web>/base/file`. */
function at(web: Web, patience: Partial<Patience> = quick) {
  const address = parseHttpAddress(`${web.url}/base/`);
  const client = new HttpClient(address, { patience });
  const request: HttpRequest = { url: new URL('file', address.url), limit: 1_000_000 };
  return {
    client,
    request,
    get: (more: Partial<HttpRequest> = {}) => client.document({ ...request, ...more }),
  };
}

async function downloaded(
  web: Web,
  { patience = quick, ...more }: Partial<FileRequest & { patience: Partial<Patience> }> = {},
) {
  const { client, request } = at(web, patience);
  const path = join(await tempDir(), 'file');
  const handle = await open(path, 'w');
  try {
    const digest = await client.download({ ...request, ...more, file: { path, handle } });
    return { digest, bytes: await readFile(path) };
  } finally {
    await handle.close();
  }
}

async function refusal(work: Promise<unknown>): Promise<PlugferryError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PlugferryError);
  return error as PlugferryError;
}

/** Handlers for one request after the other; the last one stays. */
function inTurn(...handlers: readonly Handler[]): Handler {
  let turn = 0;
  return (request, response) => {
    handlers[Math.min(turn, handlers.length - 1)]?.(request, response);
    turn += 1;
  };
}

const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Handler =>
  (_request, response) => {
    response.writeHead(code, headers).end('a page of the server');
  };
const whole: Handler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'Text/Plain; charset=utf-8' }).end(body);
};
/** Sends `bytes` of the body under headers that promise all of it, and hangs up when they have had time to arrive. */
const cutAfter =
  (bytes: number, headers: Readonly<Record<string, string | number>> = {}): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-length': body.length, ...headers });
    response.write(body.subarray(0, bytes));
    setTimeout(() => response.socket?.end(), 50);
  };

describe('a document', () => {
  test('comes whole, with its media type, and as it is', async () => {
    const web = await startWeb(whole);
    const document = await at(web).get({ accept: 'text/plain' });
    expect(document).toMatchObject({ type: 'text/plain', url: new URL(`${web.url}/base/file`) });
    expect(document?.bytes.equals(body)).toBe(true);
    expect(web.headers[0]).toMatchObject({ 'accept-encoding': 'identity', accept: 'text/plain' });
    expect(web.headers[0]).not.toHaveProperty('authorization');
    expect(web.headers[0]?.['user-agent']).toMatch(/^plugferry\//);
  });

  test.each([404, 410])('that is not there (%d) is undefined, at once', async (code) => {
    const web = await startWeb(status(code));
    expect(await at(web).get()).toBeUndefined();
    expect(web.asked).toHaveLength(1);
  });

  test('which statuses mean that there is nothing is up to the caller', async () => {
    const web = await startWeb(status(403));
    expect(await at(web).get({ absent: [403] })).toBeUndefined();
    expect((await refusal(at(web).get())).message).toContain('status 403');
  });
});

describe('the status', () => {
  test.each([[408], [429], [500], [502], [503], [504]])('%d is tried again', async (code) => {
    const web = await startWeb(inTurn(status(code), whole));
    expect((await at(web).get())?.bytes.length).toBe(body.length);
    expect(web.asked).toHaveLength(2);
  });

  test.each([[204], [206], [304], [400], [401], [403], [405], [416], [501], [505], [511]])(
    '%d is final',
    async (code) => {
      const web = await startWeb(status(code));
      const error = await refusal(at(web).get());
      expect(error).toMatchObject({
        code: 'E_NETWORK',
        details: { file: `${web.url}/base/file`, expected: 'status 200', found: `status ${code}` },
      });
      expect(error.hint).toBeDefined();
      expect(web.asked).toHaveLength(1);
    },
  );

  test('401 hands on what the server asks for', async () => {
    const web = await startWeb(status(401, { 'www-authenticate': 'Bearer realm="x"' }));
    expect((await refusal(at(web).get())).details['challenge']).toBe('Bearer realm="x"');
  });

  test('500 for ever ends after five tries', async () => {
    const web = await startWeb(status(500));
    expect((await refusal(at(web).get())).details['found']).toBe('status 500');
    expect(web.asked).toHaveLength(5);
  });

  test('Retry-After is heeded', async () => {
    const web = await startWeb(inTurn(status(503, { 'retry-after': '1' }), whole));
    const before = Date.now();
    await at(web).get();
    expect(Date.now() - before).toBeGreaterThanOrEqual(990);
  });
});

describe('a redirect', () => {
  test.each([
    ['relative', 'other'],
    ['absolute', '/base/deep/other'],
    ['through dots that stay inside', '/base/deep/../other'],
  ])('inside is followed: %s', async (_what, location) => {
    const web = await startWeb((request, response) => {
      if (request.url === '/base/file') response.writeHead(302, { location }).end();
      else response.end(body);
    });
    expect((await at(web).get())?.bytes.length).toBe(body.length);
  });

  const elsewhere = 'a redirect to ';
  test.each([
    ['out of the path', '/admin', elsewhere],
    ['out of the path by dots', '../x', elsewhere],
    ['out of the path by encoded dots', '%2e%2e/x', elsewhere],
    ['to an encoded slash', '/base/..%2fx', elsewhere],
    ['to an encoded backslash', '/base/..%5Cx', elsewhere],
    ['to another host', 'http://metadata.invalid/base/', 'http://metadata.invalid/base/'],
    ['to another host without a scheme', '//metadata.invalid/base/', 'http://metadata.invalid/base/'],
    ['to another port', 'http://127.0.0.1:1/base/', 'http://127.0.0.1:1/base/'],
    ['to another scheme', 'https://127.0.0.1/base/', 'https://127.0.0.1/base/'],
    ['to the instance metadata', 'http://169.254.169.254/latest/', 'http://169.254.169.254/latest/'],
    ['to data:', 'data:text/plain,hello', 'a data: address'],
    ['to a file', 'file:///etc/passwd', 'a file: address'],
    ['to nowhere', '', 'leads nowhere'],
    ['to no URL', 'http://[', 'leads nowhere'],
  ])('%s is refused and not followed', async (_what, location, says) => {
    const web = await startWeb(status(302, { location }));
    const error = await refusal(at(web).get());
    expect(error.code).toBe('E_NETWORK');
    expect(error.message).toContain(says);
    expect(error.message).toContain(`${web.url}/base/file`);
    expect(web.asked).toEqual(['/base/file']);
  });

  test('keys in the address that it leads to are not shown', async () => {
    const web = await startWeb(status(302, { location: 'http://user:secret@other.invalid/x?token=secret' }));
    const error = await refusal(at(web).get());
    expect(JSON.stringify([error.message, error.hint, error.details])).not.toContain('secret');
  });

  test('to elsewhere gets no login of a request either', async () => {
    const store = await startWeb(whole);
    const web = await startWeb(status(307, { location: `${store.url}/blob?key=k` }));
    const client = new HttpClient(parseHttpAddress(`${web.url}/base/`), {
      patience: quick,
      redirects: 'anywhere',
    });
    const url = new URL(`${web.url}/base/file`);
    const document = await client.document({ url, limit: 1_000_000, authorization: 'Bearer secret' });
    expect(document?.bytes.length).toBe(body.length);
    expect(web.headers[0]).toMatchObject({ authorization: 'Bearer secret' });
    expect(store.headers[0]).not.toHaveProperty('authorization');
  });

  test('in a circle ends', async () => {
    const web = await startWeb(status(302, { location: 'file' }));
    expect((await refusal(at(web).get())).message).toContain('more than 5 redirects');
    expect(web.asked).toHaveLength(6);
  });
});

describe('too much', () => {
  test('that is declared is refused before any of it is taken', async () => {
    let sent = 0;
    const web = await startWeb((_request, response) => {
      response.writeHead(200, { 'content-length': 10_000_000_000 });
      const more = (): void => {
        sent += 65_536;
        response.write(Buffer.alloc(65_536), (error) => {
          if (!error && sent < 100_000_000) setImmediate(more);
        });
      };
      more();
    });
    const error = await refusal(downloaded(web));
    expect(error).toMatchObject({
      code: 'E_LIMIT',
      details: { expected: 1_000_000, found: '10000000000 bytes' },
    });
    expect(web.asked).toHaveLength(1);
    expect(sent).toBeLessThan(100_000_000);
  });

  test('that is not declared is cut off', async () => {
    let hungUp: Promise<void> | undefined;
    const web = await startWeb((_request, response) => {
      hungUp = new Promise((resolve) => response.once('close', resolve));
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more));
      };
      more();
    });
    expect((await refusal(at(web).get())).code).toBe('E_LIMIT');
    await hungUp;
    expect(web.asked).toHaveLength(1);
  });

  test('exactly the limit is not', async () => {
    const web = await startWeb(whole);
    expect((await at(web).get({ limit: body.length }))?.bytes.length).toBe(body.length);
    expect((await refusal(at(web).get({ limit: body.length - 1 }))).code).toBe('E_LIMIT');
  });

  test('compression that nobody asked for is refused', async () => {
    const web = await startWeb((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(body);
    });
    expect((await refusal(at(web).get())).details['found']).toBe('content encoding "gzip"');
  });
});

describe('a body that breaks off', () => {
  test('is continued where its tag says that it is the same', async () => {
    const web = await startWeb(
      inTurn(cutAfter(100_000, { etag: '"one"' }), (request, response) => {
        const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]);
        response.writeHead(206, {
          etag: '"one"',
          'content-range': `bytes ${start}-${body.length - 1}/${body.length}`,
        });
        response.end(body.subarray(start));
      }),
    );
    const { digest, bytes } = await downloaded(web);
    expect(digest).toEqual(digestOf(body));
    expect(bytes.equals(body)).toBe(true);
    expect(web.headers[1]).toMatchObject({
      'if-range': '"one"',
      range: expect.stringMatching(/^bytes=[1-9]/),
    });
  });

  test.each<[string, Readonly<Record<string, string>>, Handler[]]>([
    ['without a tag, is fetched anew', {}, [whole]],
    ['with a weak tag, is fetched anew', { etag: 'W/"one"' }, [whole]],
    ['and has become another, is fetched anew', { etag: '"one"' }, [whole]],
    [
      'and goes on with another body, is fetched anew',
      { etag: '"one"' },
      [status(206, { etag: '"two"', 'content-range': 'bytes 100000-299999/300000' }), whole],
    ],
    [
      'and goes on elsewhere, is fetched anew',
      { etag: '"one"' },
      [status(206, { etag: '"one"', 'content-range': 'bytes 5-299999/300000' }), whole],
    ],
    ['and cannot be continued, is fetched anew', { etag: '"one"' }, [status(416), whole]],
  ])('%s', async (_what, headers, then) => {
    const web = await startWeb(inTurn(cutAfter(100_000, headers), ...then));
    const { digest, bytes } = await downloaded(web);
    expect(digest).toEqual(digestOf(body));
    expect(bytes.equals(body)).toBe(true);
    expect(web.headers.at(-1)?.range === undefined).toBe(headers['etag'] !== '"one"' || then.length > 1);
  });

  test('is continued in a file without a tag where the caller knows the digest', async () => {
    const web = await startWeb(
      inTurn(cutAfter(100_000), (request, response) => {
        const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]);
        response.writeHead(206, { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` });
        response.end(body.subarray(start));
      }),
    );
    expect((await downloaded(web, { pinned: true })).digest).toEqual(digestOf(body));
    expect(web.headers[1]).toMatchObject({ range: expect.stringMatching(/^bytes=[1-9]/) });
    expect(web.headers[1]).not.toHaveProperty('if-range');
  });

  test('a continuation counts towards the limit', async () => {
    const web = await startWeb(
      inTurn(cutAfter(100_000, { etag: '"one"' }), (_request, response) => {
        response.writeHead(206, { etag: '"one"', 'content-range': 'bytes 100000-/*' });
        response.end(Buffer.alloc(250_000));
      }),
    );
    expect((await refusal(downloaded(web, { limit: body.length }))).code).toBe('E_LIMIT');
  });

  test('in a chunk, is noticed', async () => {
    const web = await startWeb(
      inTurn((_request, response) => {
        response.write(body.subarray(0, 1000), () => response.socket?.end());
      }, whole),
    );
    expect((await downloaded(web)).digest).toEqual(digestOf(body));
  });

  test('again and again, is an error', async () => {
    const web = await startWeb(cutAfter(10));
    const error = await refusal(downloaded(web));
    expect(error).toMatchObject({
      code: 'E_NETWORK',
      details: { expected: 'the rest of the body', transient: true },
    });
    expect(web.asked).toHaveLength(5);
  });
});

describe('a slow server', () => {
  const impatient = { ...quick, retryMs: [1] };

  test('that does not answer is given up, by request', async () => {
    const web = await startWeb(() => undefined);
    const error = await refusal(at(web, { ...impatient, answerMs: 200 }).get());
    expect(error.message).toContain('none within 0.2 seconds, expected an answer');
    expect(error.details['transient']).toBe(true);
  });

  test('that drips is given up, though it never falls silent', async () => {
    const web = await startWeb((_request, response) => {
      const drip = setInterval(() => response.write('x'), 5);
      response.once('close', () => {
        clearInterval(drip);
      });
    });
    const error = await refusal(at(web, { ...impatient, paceMs: 100 }).get());
    expect(error.message).toContain('next to nothing for too long');
    expect(web.asked).toHaveLength(2);
  });

  test('that keeps the pace may take longer than that in all', async () => {
    const web = await startWeb((_request, response) => {
      let left = 40;
      const tick = setInterval(() => {
        response.write(Buffer.alloc(20_000));
        left -= 1;
        if (left > 0) return;
        clearInterval(tick);
        response.end();
      }, 25);
    });
    expect((await at(web, { ...quick, paceMs: 700 }).get())?.bytes.length).toBe(800_000);
  });
});

describe('an address', () => {
  test('where nobody listens is tried again, then named', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const error = await refusal(at({ url, asked: [], headers: [] }).get());
    expect(error).toMatchObject({ code: 'E_NETWORK', details: { transient: true } });
    expect(error.message).toBe(`${url}/base/file: nothing listens there (ECONNREFUSED), expected an answer`);
  });

  test('whose name nobody knows is named', async () => {
    const url = 'http://registry.invalid';
    const error = await refusal(at({ url, asked: [], headers: [] }).get());
    expect(error.code).toBe('E_NETWORK');
    expect(error.message).toMatch(/registry\.invalid\/base\/file: the name/);
  });

  test('that speaks something else is named', async () => {
    const web = await startWeb((_request, response) => {
      response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n');
    });
    expect((await refusal(at(web).get())).message).toContain('the answer is not HTTP');
    expect(web.asked).toHaveLength(1);
  });

  test('that does not speak TLS is named', async () => {
    const web = await startWeb(whole);
    const error = await refusal(at({ ...web, url: web.url.replace('http:', 'https:') }).get());
    expect(error.message).toContain('no TLS connection comes about');
  });

  test.skipIf(!hasOpenssl)('whose certificate nobody known vouches for is not asked', async () => {
    const directory = await tempDir();
    const files = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') };
    const words =
      'req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=localhost -days 2'.split(' ');
    execFileSync('openssl', [...words, '-keyout', files.key, '-out', files.cert], { stdio: 'ignore' });
    const asked: string[] = [];
    const options = { key: await readFile(files.key), cert: await readFile(files.cert) };
    const server = createServer(options, (request, response) => {
      asked.push(request.url ?? '');
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    const error = await refusal(at({ url, asked, headers: [] }).get());
    expect(error.message).toContain('the certificate is not accepted (DEPTH_ZERO_SELF_SIGNED_CERT)');
    expect(error.hint).toContain('--ca-file');
    expect(asked).toEqual([]);
  });

  test.each([
    'http://169.254.169.254',
    'http://2852039166',
    'http://0xa9fea9fe',
    'http://[fe80::1]',
    'http://[::ffff:169.254.169.254]',
    'http://[fd00:ec2::254]',
    'http://100.100.100.200',
    'http://168.63.129.16',
    'http://192.0.0.192',
    'http://[fd00:ec2::23]',
    'http://[fd20:ce::254]',
    'http://[::169.254.169.254]',
    'http://[::ffff:0:169.254.169.254]',
    'http://[64:ff9b::169.254.169.254]',
    'http://[64:ff9b::6464:64c8]',
    'http://[64:ff9b:1::169.254.169.254]',
    'http://[64:ff9b:1:a9fe:a9:fe00::]',
    'http://[64:ff9b:1:22a9:fe:a9fe::]',
    'http://[64:ff9b:1:abcd:a9:fea9:fe00:0]',
    'http://[2002:a9fe:a9fe::1]',
    'http://[2002:6464:64c8:1:2:3:4:5]',
    'http://[2001:0:a9fe:a9fe::1]',
    'http://[2001:0:102:304:0:0:5601:5601]',
    'http://[2001:db8::5efe:169.254.169.254]',
    'http://[2001:db8:1:2:200:5efe:a9fe:a9fe]',
  ])('of the machine’s keeper is not asked: %s', async (url) => {
    const error = await refusal(at({ url, asked: [], headers: [] }).get());
    expect(error.message).toContain('link-local or metadata address');
    expect(error.details['transient']).toBe(false);
  });

  test('by name reaches the same', async () => {
    const web = await startWeb(whole);
    const { get } = at({ ...web, url: web.url.replace('127.0.0.1', 'localhost') });
    expect((await get())?.bytes.length).toBe(body.length);
  });

  test('with a login asks with it, and never shows it', async () => {
    const web = await startWeb(inTurn(whole, status(401)));
    const address = parseHttpAddress(`${web.url.replace('//', '//ad%40a:p%3Aw@')}/base/`);
    const client = new HttpClient(address, { patience: quick });
    const request = { url: new URL('file', address.url), limit: 1_000_000 };
    await client.document(request);
    expect(web.headers[0]?.authorization).toBe(`Basic ${Buffer.from('ad@a:p:w').toString('base64')}`);
    const error = await refusal(client.document(request));
    expect(JSON.stringify([error.message, error.hint, error.details])).not.toMatch(/ad@a|ad%40a|p:w|p%3Aw/);
  });

  test.each([
    ['ftp://host/', 'is not an http or https URL'],
    ['data:text/html,x', 'is not an http or https URL'],
    ['file:///etc/passwd', 'is not an http or https URL'],
    ['http://', 'is not an http or https URL'],
    ['http://user:pa/ss@host/', 'is not an http or https URL'],
    ['http://host/?token=1', 'has a query'],
    ['http://host/#x', 'a fragment'],
    ['http://us%ffer@host/', 'not percent-encoded'],
  ])('%s is a wrong call', (location, says) => {
    expect(() => parseHttpAddress(location)).toThrow(says);
    expect(() => parseHttpAddress(location)).not.toThrow(/pa\/ss|us%ff/);
  });

  test.each([
    ['http://a:b@host/x', 'http://host/x'],
    ['http://a:b@c@host/x', 'http://host/x'],
    ['http://host/x', 'http://host/x'],
    ['./a@b', './a@b'],
  ])('%s is shown as %s', (location, shown) => {
    expect(withoutCredentials(location)).toBe(shown);
  });
});

describe('the caller’s abort', () => {
  const reason = new PlugferryError('E_INTERRUPTED', 'interrupted');

  test.each<[string, Handler]>([
    ['before an answer', () => undefined],
    ['in the middle of a body', (_request, response) => void response.write('x')],
    ['before the next try', status(500)],
  ])('%s ends everything with its reason', async (_when, handler) => {
    const controller = new AbortController();
    const web = await startWeb((request, response) => {
      handler(request, response);
      setTimeout(() => {
        controller.abort(reason);
      }, 20);
    });
    const work = downloaded(web, { signal: controller.signal, patience: { ...quick, retryMs: [60_000] } });
    await expect(work).rejects.toBe(reason);
    expect(web.asked).toHaveLength(1);
  });

  test('that came before asks nothing', async () => {
    const web = await startWeb(whole);
    await expect(at(web).get({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(web.asked).toEqual([]);
  });
});

describe('a download', () => {
  test('that is not wanted is not begun', async () => {
    const web = await startWeb(whole);
    const refused = new PlugferryError('E_SOURCE', 'no');
    const admit = (): never => {
      throw refused;
    };
    await expect(downloaded(web, { admit })).rejects.toBe(refused);
    expect(web.asked).toHaveLength(1);
  });

  test('that is not there leaves the file alone', async () => {
    const web = await startWeb(serving({}));
    expect(await downloaded(web)).toEqual({ digest: undefined, bytes: Buffer.alloc(0) });
  });

  test('onto a full disk says so', async () => {
    const web = await startWeb(whole);
    const { client, request } = at(web);
    const handle = await open('/dev/full', 'w');
    try {
      const file = {
        path: '/dev/full',
        handle: Object.assign(Object.create(handle), { truncate: async () => undefined }),
      };
      const error = await refusal(client.download({ ...request, file }));
      expect(error).toMatchObject({ code: 'E_NO_SPACE', details: { file: '/dev/full' } });
      expect(web.asked).toHaveLength(1);
    } finally {
      await handle.close();
    }
  });
});

describe('a private directory', () => {
  test('is there from the first file to the end, for its owner only', async () => {
    const parent = await tempDir();
    const directory = new PrivateDirectory(parent);
    expect(await readdir(parent)).toEqual([]);
    const files = await Promise.all([directory.create(), directory.create()]);
    for (const { handle } of files) await handle.close();
    expect(new Set(files.map(({ path }) => path)).size).toBe(2);
    expect(await readdir(parent)).toHaveLength(1);
    await directory.remove();
    expect(await readdir(parent)).toEqual([]);
    await directory.remove();
  });

  test('in a directory that is not there is an error that names it', async () => {
    const parent = join(await tempDir(), 'gone');
    const directory = new PrivateDirectory(parent);
    expect(await refusal(directory.create())).toMatchObject({
      code: 'E_NOT_FOUND',
      details: { file: parent },
    });
    await directory.remove();
  });
});
