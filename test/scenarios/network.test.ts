import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { clientPassphrase, hasOpenssl, makeCertificates } from '../helpers/certificates.js';
import { cli, errorCode, type CliOptions, type CliRun } from '../helpers/cli.js';
import { freePort } from '../helpers/http.js';
import { testKey } from '../helpers/keys.js';
import { hasNginx, startNginx } from '../helpers/nginx.js';
import { secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { hasTinyproxy, startTinyproxy } from '../helpers/tinyproxy.js';
import { tinyTree } from '../helpers/tree.js';
import { startWeb, type Handler } from '../helpers/web.js';

/** A directory with edge.tar.gz and dev.pub in it, and a way to run the program there. */
async function scene() {
  const directory = await tempDir();
  await tinyTree(directory, { 'waf@1.0.0': 'a' });
  const key = await testKey('dev');
  await key.writeTo(directory);
  await exportBundle({ source: directory, output: join(directory, 'edge.tar.gz'), signer: key });
  const bytes = await readFile(join(directory, 'edge.tar.gz'));
  const run = (line: string, options: CliOptions = {}): Promise<CliRun> =>
    cli(line.split(' '), { cwd: directory, ...options });
  return { directory, bytes, sha256: sha256Of(bytes), run };
}

const sending =
  (bytes: Buffer): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/gzip', etag: '"one"' }).end(bytes);
  };

/** What a good run of `verify` says. */
const verified = { code: 0, stdout: expect.stringContaining('VERIFIED: signature and every byte') as string };

describe('a bundle', () => {
  test('is verified, inspected, compared and imported where it is', async () => {
    const { directory, bytes, run } = await scene();
    const web = await startWeb(sending(bytes));
    const place = `${web.url}/edge.tar.gz`;
    expect(await run(`verify ${place} --public-key dev.pub`)).toMatchObject(verified);
    expect(await run(`inspect ${place}`)).toMatchObject({ code: 0 });
    expect(await run(`diff . ${place} --exit-code`)).toMatchObject({ code: 0 });
    expect(await run(`import ${place} --to volume --public-key dev.pub`)).toMatchObject({ code: 0 });
    expect(await readdir(join(directory, 'volume/plugins'))).toEqual(['waf']);
    expect(await run(`export ${place} -o again.tar.gz --public-key dev.pub`)).toMatchObject({ code: 0 });
    expect(web.asked).toEqual(Array(5).fill('/edge.tar.gz'));
  });

  test('comes on standard input', async () => {
    const { bytes, run } = await scene();
    expect(await run('verify - --public-key dev.pub', { input: bytes })).toMatchObject(verified);
    expect(await run('import - --to volume --public-key dev.pub', { input: bytes })).toMatchObject({
      code: 0,
    });
    const cut = await run('verify - --public-key dev.pub --json', { input: bytes.subarray(0, -100) });
    expect([cut.code, errorCode(cut)]).toEqual([3, 'E_GZIP']);
    expect(errorCode(await run('diff - - --json', { input: bytes }))).toBe('E_USAGE');
  });

  test('that is a zip is read from a private copy', async () => {
    const { directory, run } = await scene();
    expect(await run('convert edge.tar.gz -o edge.zip')).toMatchObject({ code: 0 });
    const zip = await readFile(join(directory, 'edge.zip'));
    expect(await run('convert - -o back.tar.gz', { input: zip })).toMatchObject({ code: 0 });
    expect(await run('verify back.tar.gz --public-key dev.pub')).toMatchObject(verified);
    expect(await run('verify - --public-key dev.pub', { input: zip })).toMatchObject(verified);
    const web = await startWeb(sending(zip));
    expect(await run(`verify ${web.url}/edge.zip --public-key dev.pub`)).toMatchObject(verified);
  });

  test('that is missing there, or behind a name that is none, is said', async () => {
    const { run } = await scene();
    const web = await startWeb((_request, response) => response.writeHead(404).end());
    const missing = await run(`verify ${web.url}/edge.tar.gz --public-key dev.pub --json`);
    expect([missing.code, errorCode(missing)]).toEqual([2, 'E_NOT_FOUND']);
    const port = await freePort();
    const down = await run(`verify http://127.0.0.1:${port}/edge.tar.gz --public-key dev.pub --json`);
    expect([down.code, errorCode(down)]).toEqual([8, 'E_NETWORK']);
    const scheme = await run('verify ftp://host/edge.tar.gz --public-key dev.pub --json');
    expect([scheme.code, errorCode(scheme)]).toEqual([2, 'E_USAGE']);
    const parts = await run(`verify ${web.url}/a.part001 ${web.url}/a.part002 --public-key dev.pub`);
    expect(parts.stderr).toContain('plugferry pull');
  });
});

describe('--sha256', () => {
  test('lets the right file through', async () => {
    const { bytes, sha256, run } = await scene();
    const web = await startWeb(sending(bytes));
    for (const [place, options] of [
      [`${web.url}/edge.tar.gz`, {}],
      ['-', { input: bytes }],
      ['edge.tar.gz', {}],
    ] as const) {
      expect(
        await run(`verify ${place} --public-key dev.pub --sha256 sha256:${sha256.toUpperCase()}`, options),
      ).toMatchObject(verified);
    }
  });

  test('refuses every other one before anything of it is looked at, and nothing is written', async () => {
    const { directory, bytes, run } = await scene();
    const web = await startWeb(sending(bytes));
    const other = sha256Of(Buffer.from('other'));
    for (const place of [`${web.url}/edge.tar.gz`, 'edge.tar.gz']) {
      const result = await run(`import ${place} --to volume --public-key none.pub --sha256 ${other} --json`);
      // Even before the key is read that would show whose it is.
      expect(errorCode(result)).toBe('E_NOT_FOUND');
      const refused = await run(`import ${place} --to volume --public-key dev.pub --sha256 ${other} --json`);
      expect([refused.code, errorCode(refused)]).toEqual([3, 'E_DIGEST']);
    }
    const inspected = await run(`inspect ${web.url}/edge.tar.gz --sha256 ${other} --json`);
    expect(errorCode(inspected)).toBe('E_DIGEST');
    expect((await readdir(directory)).sort()).toEqual(['dev.key', 'dev.pub', 'edge.tar.gz', 'plugins']);
  });

  test.each(['abc', `${'0'.repeat(63)}g`, `md5:${'0'.repeat(32)}`])('%s is none', async (text) => {
    const { run } = await scene();
    expect(errorCode(await run(`inspect edge.tar.gz --sha256 ${text} --json`))).toBe('E_USAGE');
  });
});

describe('a token', () => {
  const token = secret('token.of-a_test~12/34+5==');
  const wanting =
    (bytes: Buffer): Handler =>
    (request, response) => {
      if (request.headers.authorization === `Bearer ${token}`) response.writeHead(200).end(bytes);
      else response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    };

  test('is taken from a file or the environment, and shown to nobody', async () => {
    const { directory, bytes, run } = await scene();
    const web = await startWeb(wanting(bytes));
    await writeFile(join(directory, 'token'), `${token}\n`, { mode: 0o600 });
    const line = `verify ${web.url}/edge.tar.gz --public-key dev.pub`;
    expect(await run(`${line} --http-token-file token`)).toMatchObject(verified);
    expect(await run(line, { env: { PLUGFERRY_HTTP_TOKEN: token } })).toMatchObject(verified);
    const without = await run(line);
    expect(without.code).toBe(8);
    expect(without.stderr).toContain('--http-token-file');
  });

  test('goes to no other server, also not through redirects there and back', async () => {
    const { bytes, run } = await scene();
    const home = await startWeb((request, response) => {
      if (request.url === '/edge.tar.gz') response.writeHead(302, { location: `${away.url}/x` }).end();
      else sending(bytes)(request, response);
    });
    const away = await startWeb((_request, response) => {
      response.writeHead(307, { location: `${home.url}/blob` }).end();
    });
    const env = { PLUGFERRY_HTTP_TOKEN: token };
    expect(await run(`verify ${home.url}/edge.tar.gz --public-key dev.pub`, { env })).toMatchObject(verified);
    expect(home.headers[0]?.authorization).toBe(`Bearer ${token}`);
    expect(away.headers[0]).not.toHaveProperty('authorization');
    expect(home.headers[1]).not.toHaveProperty('authorization');
  });

  test.each(['', 'two words', 'Bearer x\nInjected: 1'])('%j is none', async (text) => {
    const { directory, run } = await scene();
    await writeFile(join(directory, 'token'), text, { mode: 0o600 });
    expect(errorCode(await run('inspect edge.tar.gz --http-token-file token --json'))).toBe('E_LOGIN');
  });
});

describe('a key in the query of an address', () => {
  test('is sent, and shown to nobody', async () => {
    const { bytes, run } = await scene();
    const key = secret('signature-0123456789');
    const web = await startWeb((request, response) => {
      if (request.url === `/edge.tar.gz?X-Signature=${key}`) sending(bytes)(request, response);
      else response.writeHead(403).end();
    });
    const place = `${web.url}/edge.tar.gz?X-Signature=${key}`;
    expect(await run(`verify ${place} --public-key dev.pub`)).toMatchObject(verified);
    expect(await run(`diff . ${place} --json`)).toMatchObject({ code: 0 });
    expect(await run(`verify ${place}x --public-key dev.pub`)).toMatchObject({ code: 8 });
    expect(await run(`export ${place} -o x.tar.gz --public-key dev.pub --json`)).toMatchObject({ code: 0 });
  });
});

describe.runIf(hasNginx && hasOpenssl)('https', () => {
  async function secure(directives: (files: Awaited<ReturnType<typeof makeCertificates>>) => string) {
    const files = await makeCertificates(await tempDir());
    const place = await scene();
    const port = await freePort();
    const nginx = await startNginx(
      place.directory,
      `listen 127.0.0.1:${port} ssl; ssl_certificate ${files.server}; ssl_certificate_key ${files.serverKey}; ${directives(files)}`,
    );
    onTestFinished(() => nginx.stop());
    return { ...place, files, url: `https://127.0.0.1:${port}` };
  }

  test('is believed by the authority that was named, and by no other', async () => {
    const { run, files, url } = await secure(() => '');
    const line = `verify ${url}/edge.tar.gz --public-key dev.pub`;
    expect(await run(`${line} --ca-file ${files.authority}`)).toMatchObject(verified);
    for (const rest of ['', ` --ca-file ${files.stranger}`]) {
      const refused = await run(`${line}${rest} --json`);
      expect([refused.code, errorCode(refused)]).toEqual([8, 'E_NETWORK']);
      expect(refused.stderr).toContain('the certificate is not accepted');
    }
  });

  test('wants a client certificate, and gets it', async () => {
    const { directory, run, files, url } = await secure(
      ({ authority }) => `ssl_verify_client on; ssl_client_certificate ${authority};`,
    );
    const line = `verify ${url}/edge.tar.gz --public-key dev.pub --ca-file ${files.authority}`;
    const cert = `--client-cert ${files.client}`;
    expect(await run(`${line} ${cert} --client-key ${files.clientKey}`)).toMatchObject(verified);
    const env = { PLUGFERRY_CLIENT_KEY_PASSPHRASE: clientPassphrase };
    expect(await run(`${line} ${cert} --client-key ${files.lockedKey}`, { env })).toMatchObject(verified);
    expect((await run(line)).code).toBe(8);
    // A certificate is no secret; given as a key it is asked for as one.
    await chmod(files.client, 0o600);
    for (const [rest, code] of [
      [cert, 'E_USAGE'],
      [`${cert} --client-key ${files.serverKey}`, 'E_KEY'],
      [`${cert} --client-key ${files.lockedKey}`, 'E_KEY'],
      [`${cert} --client-key ${files.client}`, 'E_KEY'],
      [`--client-cert ${directory}/edge.tar.gz --client-key ${files.clientKey}`, 'E_KEY'],
    ] as const)
      expect([rest, errorCode(await run(`${line} ${rest} --json`))]).toEqual([rest, code]);
  });
});

test('--proxy, and proxy in a --config file, come before the environment, but not before NO_PROXY', async () => {
  const { bytes, directory, run } = await scene();
  const web = await startWeb(sending(bytes));
  const line = `verify ${web.url}/edge.tar.gz --public-key dev.pub`;
  const nobody = 'http://127.0.0.1:1';
  expect((await run(`${line} --proxy ${nobody}`)).code).toBe(8);
  expect(await run(`${line} --proxy ${nobody}`, { env: { NO_PROXY: '127.0.0.1' } })).toMatchObject(verified);
  await writeFile(
    join(directory, 'plugferry.yaml'),
    `type: plugferry.config/v1\nenvironments: { far: { proxy: "${nobody}" } }\n`,
  );
  expect((await run(`${line} --config plugferry.yaml --env far`)).code).toBe(8);
  expect(await run(`${line} --config plugferry.yaml`)).toMatchObject(verified);
  for (const odd of ['socks5://h', 'h:8080', `http://me:${secret('proxy-pass-word')}@h:1`]) {
    const refused = await run(`${line} --proxy ${odd} --json`);
    expect([odd, refused.code, errorCode(refused)]).toEqual([odd, 2, 'E_USAGE']);
  }
});

test('a program that is started for a signature does not inherit --proxy', async () => {
  const { directory, run } = await scene();
  await writeFile(join(directory, 'env.sh'), 'env > seen; exit 1\n');
  const command = ['--sign-command', 'sh env.sh', '--signed-by', 'dev.pub', '-o', 'signed.tar.gz'];
  const place = 'sign edge.tar.gz --proxy http://127.0.0.1:1';
  const signed = await cli([...place.split(' '), ...command], {
    cwd: directory,
    env: { http_proxy: 'http://127.0.0.1:2' },
  });
  expect(signed.code).not.toBe(0);
  const seen = await readFile(join(directory, 'seen'), 'utf8');
  expect(seen).toContain('http_proxy=http://127.0.0.1:2');
  expect(seen).not.toContain('127.0.0.1:1');
  expect(seen).not.toMatch(/https_proxy/i);
  expect((await run(`list http://127.0.0.1:3/plugins/ --proxy http://127.0.0.1:1`)).code).toBe(8);
});

describe.runIf(hasTinyproxy)('a proxy', () => {
  test('that wants a login is gone through, and its password shown to nobody', async () => {
    const { bytes, run } = await scene();
    const web = await startWeb(sending(bytes));
    const proxy = await startTinyproxy();
    const { address, user, password } = proxy;
    const line = `verify ${web.url}/edge.tar.gz --public-key dev.pub`;
    const env = { HTTP_PROXY: `http://${user}:${password}@${address}` };
    expect(await run(line, { env })).toMatchObject(verified);
    expect(await proxy.log()).toContain('GET http://127.0.0.1');
    const refused = await run(`${line} --json`, { env: { http_proxy: `http://${address}` } });
    expect([refused.code, errorCode(refused)]).toEqual([8, 'E_NETWORK']);
    expect(refused.stderr).toContain('407');
    expect(web.asked).toEqual(['/edge.tar.gz']);
  });

  test('is passed by for what NO_PROXY names', async () => {
    const { bytes, run } = await scene();
    const web = await startWeb(sending(bytes));
    const env = { HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: 'localhost,127.0.0.1' };
    const line = `verify ${web.url}/edge.tar.gz --public-key dev.pub`;
    expect(await run(line, { env })).toMatchObject(verified);
    expect((await run(line, { env: { HTTP_PROXY: 'http://127.0.0.1:1' } })).code).toBe(8);
    const odd = await run(`${line} --json`, { env: { HTTP_PROXY: `socks5://a:${secret('pass-word')}@h` } });
    expect([odd.code, errorCode(odd)]).toEqual([2, 'E_USAGE']);
  });

  test.runIf(hasNginx && hasOpenssl)('carries https through, and sees nothing of it', async () => {
    const { directory, run } = await scene();
    const files = await makeCertificates(await tempDir());
    const port = await freePort();
    const nginx = await startNginx(
      directory,
      `listen 127.0.0.1:${port} ssl; ssl_certificate ${files.server}; ssl_certificate_key ${files.serverKey};`,
    );
    onTestFinished(() => nginx.stop());
    const proxy = await startTinyproxy();
    const { address, user, password } = proxy;
    const line = `verify https://127.0.0.1:${port}/edge.tar.gz --public-key dev.pub --ca-file ${files.authority}`;
    const env = { HTTPS_PROXY: `http://${user}:${password}@${address}` };
    expect(await run(line, { env })).toMatchObject(verified);
    const said = await proxy.log();
    expect(said).toContain(`CONNECT 127.0.0.1:${port}`);
    expect(said).not.toContain('edge.tar.gz');
    const refused = await run(`${line} --json`, { env: { HTTPS_PROXY: `http://${address}` } });
    expect([refused.code, errorCode(refused)]).toEqual([8, 'E_NETWORK']);
    // The certificate is for 127.0.0.1 only.
    const other = await run(line.replace('//127.0.0.1', '//localhost'), { env });
    expect([other.code, other.stderr]).toEqual([8, expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID')]);
  });
});
