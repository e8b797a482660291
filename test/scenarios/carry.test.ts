import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { sha256OfFile } from '../../src/files/digest-of-file.js';
import { binary, cli, type CliOptions, type CliRun, errorCode, finished, start } from '../helpers/cli.js';
import { randomPlaces, startCutter } from '../helpers/cut.js';
import { hasNginx, startNginx } from '../helpers/nginx.js';
import { expectNoSecret } from '../helpers/secrets.js';
import { hasSshd, startSshd } from '../helpers/sshd.js';
import { startStore } from '../helpers/store.js';
import { tempDir } from '../helpers/temp.js';
import { type Handler, startWeb } from '../helpers/web.js';

const mega = 1024 * 1024;

async function scene(size = 3 * mega) {
  const directory = await tempDir();
  const content = randomBytes(size);
  await writeFile(join(directory, 'edge.tar.gz'), content);
  const run = (line: string, options: CliOptions = {}): Promise<CliRun> =>
    cli(line.split(' '), { cwd: directory, ...options });
  const files = async (): Promise<string[]> => (await readdir(directory)).sort();
  const digest = async (name: string): Promise<string> => sha256OfFile(join(directory, name));
  return { directory, content, sha256: sha256Of(content), run, files, digest };
}

/** Sends the first part of a file and hangs up; goes on only where it is asked to. */
const hangingUp =
  (content: Buffer, after: number, etag = '"one"'): Handler =>
  (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const goesOn = start > 0 && (request.headers['if-range'] ?? etag) === etag;
    const from = goesOn ? start : 0;
    response.writeHead(goesOn ? 206 : 200, {
      etag,
      'content-length': content.length - from,
      ...(goesOn ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
    });
    response.write(content.subarray(from, Math.max(from, after)));
    setTimeout(() => request.socket.destroy(), 100);
  };

describe('push and pull', () => {
  test('carry a file to a web server and back', async () => {
    const { sha256, content, run, files, digest } = await scene();
    const store = await startStore();
    const pushed = await run(`push edge.tar.gz ${store.url}/in/ --json`);
    expect(JSON.parse(pushed.stdout)).toEqual({
      to: `${store.url}/in/edge.tar.gz`,
      size: content.length,
      sha256,
      resumedAt: 0,
      proof: 'size',
    });
    expect(errorCode(await run(`push edge.tar.gz ${store.url}/in/ --json`))).toBe('E_EXISTS');
    expect(errorCode(await run(`pull ${store.url}/in/edge.tar.gz --json`))).toBe('E_EXISTS');
    const pulled = await run(`pull ${store.url}/in/edge.tar.gz -o back.tar.gz --json`);
    expect(JSON.parse(pulled.stdout)).toEqual({
      file: 'back.tar.gz',
      from: `${store.url}/in/edge.tar.gz`,
      size: content.length,
      sha256,
      resumedAt: 0,
      pinned: false,
    });
    expect(await digest('back.tar.gz')).toBe(sha256);
    expect(await files()).toEqual(['back.tar.gz', 'edge.tar.gz']);
  });

  test('speak through pipes, with all talk on stderr', async () => {
    const { directory, content, sha256, run } = await scene();
    const store = await startStore();
    expect(await run(`push - ${store.url}/edge.tar.gz`, { input: content })).toMatchObject({ code: 0 });
    expect(store.files.get('/edge.tar.gz')?.equals(content)).toBe(true);
    const script = `"${process.execPath}" "$0" pull ${store.url}/edge.tar.gz -o - --json >piped`;
    const { stderr } = await promisify(execFile)('sh', ['-c', script, binary], { cwd: directory });
    expectNoSecret(stderr, script);
    expect(sha256Of(await readFile(join(directory, 'piped')))).toBe(sha256);
    expect(stderr).toContain(`"sha256": "${sha256}"`);
    const nowhere = await run(`push - ${store.url}/in/ --json`);
    expect(errorCode(nowhere)).toBe('E_USAGE');
  });

  test('--sha256: what is another file is not kept, nor piped', async () => {
    const { content, run, files } = await scene();
    const store = await startStore();
    store.files.set('/x', content);
    const other = sha256Of(Buffer.from('other'));
    const refused = await run(`pull ${store.url}/x --sha256 ${other} --json`);
    expect([refused.code, errorCode(refused)]).toEqual([3, 'E_DIGEST']);
    expect(await files()).toEqual(['edge.tar.gz']);
    const piped = await run(`pull ${store.url}/x -o - --sha256 ${other}`);
    expect([piped.code, piped.stdout]).toEqual([3, '']);
  });

  test.each(['/', '/in/', '/..%2Fx', '/.hidden', '/a%00b', '/%E0%A4%A'])(
    'a location that ends in %s names no file here',
    async (path) => {
      const { run, files } = await scene();
      const web = await startWeb((_request, response) => response.end('x'));
      expect(errorCode(await run(`pull ${web.url}${path} --json`))).toBe('E_USAGE');
      expect(web.asked).toEqual([]);
      expect(await files()).toEqual(['edge.tar.gz']);
    },
  );

  test('a page, a missing file and a directory leave nothing', async () => {
    const { run, files } = await scene();
    const web = await startWeb((request, response) => {
      if (request.url === '/page') response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
      else response.writeHead(404).end();
    });
    for (const name of ['page', 'none'])
      expect(errorCode(await run(`pull ${web.url}/${name} --json`))).toBe('E_NOT_FOUND');
    expect(errorCode(await run(`pull ${web.url}/none -o . --json`))).toBe('E_EXISTS');
    expect(errorCode(await run(`pull ${web.url}/none -o none/x --json`))).toBe('E_NOT_FOUND');
    expect(errorCode(await run(`push . ${web.url}/x --json`))).toBe('E_NOT_FOUND');
    expect(await files()).toEqual(['edge.tar.gz']);
  });
});

test.each(['x.part', 'x.part.json'])('a directory in the place of %s is named, and stays', async (name) => {
  const { directory, run, files } = await scene(1000);
  const store = await startStore();
  store.files.set('/x', randomBytes(1000));
  await mkdir(join(directory, name));
  const refused = await run(`pull ${store.url}/x --json`);
  expect([refused.code, errorCode(refused)]).toEqual([6, 'E_EXISTS']);
  expect(refused.stderr).toContain(`${join(directory, name)} is a directory`);
  expect(await files()).toEqual(['edge.tar.gz', name]);
});

describe('a pull that is stopped', () => {
  /** Starts a pull, and stops it when some has arrived. */
  async function stopped(place: Awaited<ReturnType<typeof scene>>, url: string, how: NodeJS.Signals) {
    const child = start(['pull', `${url}/x`], { cwd: place.directory });
    const end = finished(child);
    for (let tries = 0; tries < 400; tries += 1) {
      const there = await stat(join(place.directory, 'x.part')).catch(() => undefined);
      if ((there?.size ?? 0) >= mega) break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    child.kill(how);
    return end;
  }
  /** Sends the beginning and falls silent the first time; later the rest. */
  const silentOnce = (content: Buffer): Handler => {
    let turn = 0;
    return (request, response) => {
      turn += 1;
      if (turn > 1) {
        hangingUp(content, content.length)(request, response);
        return;
      }
      response.writeHead(200, { etag: '"one"', 'content-length': content.length });
      response.write(content.subarray(0, 2 * mega));
    };
  };

  test.each<NodeJS.Signals>(['SIGINT', 'SIGKILL'])('by %s goes on where it was', async (how) => {
    const place = await scene();
    const web = await startWeb(silentOnce(place.content));
    await stopped(place, web.url, how);
    expect(await place.files()).toEqual(['edge.tar.gz', 'x.part', 'x.part.json']);
    const again = await place.run(`pull ${web.url}/x --json`);
    expect(JSON.parse(again.stdout)).toMatchObject({ sha256: place.sha256, size: place.content.length });
    const { resumedAt } = JSON.parse(again.stdout) as { resumedAt: number };
    expect(resumedAt).toBeGreaterThanOrEqual(mega);
    expect(web.headers[1]).toMatchObject({ range: `bytes=${resumedAt}-`, 'if-range': '"one"' });
    expect(await place.files()).toEqual(['edge.tar.gz', 'x']);
    expect(await place.digest('x')).toBe(place.sha256);
  });

  test('begins anew where the file is another one by now', async () => {
    const place = await scene();
    let content = place.content;
    let etag = '"one"';
    const first = silentOnce(content);
    const web = await startWeb((request, response) => {
      if (etag === '"one"') first(request, response);
      else hangingUp(content, content.length, etag)(request, response);
    });
    await stopped(place, web.url, 'SIGINT');
    content = randomBytes(2 * mega);
    etag = '"two"';
    const again = await place.run(`pull ${web.url}/x --json`);
    expect(JSON.parse(again.stdout)).toMatchObject({ sha256: sha256Of(content), resumedAt: 0 });
    expect(await place.digest('x')).toBe(sha256Of(content));
    expect(await place.files()).toEqual(['edge.tar.gz', 'x']);
  });

  test('is not continued for another location, or on the word of a damaged note', async () => {
    const place = await scene();
    const web = await startWeb(hangingUp(place.content, place.content.length));
    for (const note of [
      '',
      '{',
      '[]',
      '{"from":"http://other/x","version":"\\"one\\""}',
      'x'.repeat(10_000),
    ]) {
      await writeFile(join(place.directory, 'x.part'), randomBytes(mega));
      await writeFile(join(place.directory, 'x.part.json'), note);
      const run = await place.run(`pull ${web.url}/x --force --json`);
      expect(JSON.parse(run.stdout)).toMatchObject({ sha256: place.sha256, resumedAt: 0 });
      expect(await place.files()).toEqual(['edge.tar.gz', 'x']);
    }
  });

  test('with another digest begins anew, and what was wrong does not stay', async () => {
    const place = await scene();
    const web = await startWeb(hangingUp(place.content, place.content.length));
    await writeFile(join(place.directory, 'x.part'), randomBytes(mega));
    const note = { from: `${web.url}/x`, version: '"one"', sha256: place.sha256 };
    await writeFile(join(place.directory, 'x.part.json'), JSON.stringify(note));
    const run = await place.run(`pull ${web.url}/x --sha256 ${place.sha256} --json`);
    expect(errorCode(run)).toBe('E_DIGEST');
    expect(await place.files()).toEqual(['edge.tar.gz']);
    expect(await place.run(`pull ${web.url}/x --sha256 ${place.sha256}`)).toMatchObject({ code: 0 });
  });
});

const cuts = 20;

describe('twenty cut connections', () => {
  test.runIf(hasNginx)('end a pull over http with the right bytes, fetched once', async () => {
    // Each reset loses what waits in buffers and nobody has seen yet: on a loopback that is always some of it.
    const size = 500 * mega;
    const place = await scene(size);
    const nginx = await startNginx(place.directory);
    onTestFinished(() => nginx.stop());
    const at = randomPlaces(cuts, size);
    const cutter = await startCutter({
      to: Number(new URL(nginx.url).port),
      direction: 'down',
      at,
    });
    const run = await place.run(`pull http://127.0.0.1:${cutter.port}/edge.tar.gz -o back --json`);
    expect([run.code, run.stderr.includes('error')]).toEqual([0, false]);
    expect(await place.digest('back')).toBe(place.sha256);
    expect(cutter.cuts).toBeGreaterThan(cuts / 2);
    expect(cutter.bytes.down / size).toBeLessThan(1.1);
  });

  test.runIf(hasSshd)('end a push and a pull over sftp with the right bytes', async () => {
    const size = 64 * mega;
    const place = await scene(size);
    const sshd = await startSshd();
    const login = `--identity ${sshd.identity} --host-key ${sshd.fingerprint}`;
    const there = await tempDir();
    const up = await startCutter({ to: sshd.port, direction: 'up', at: randomPlaces(cuts, size) });
    const pushed = await place.run(
      `push edge.tar.gz sftp://${sshd.user}@127.0.0.1:${up.port}${there}/edge.tar.gz ${login} --json`,
    );
    expect([pushed.code, pushed.stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(sha256Of(await readFile(join(there, 'edge.tar.gz')))).toBe(place.sha256);
    expect(await readdir(there)).toEqual(['edge.tar.gz']);
    expect(up.cuts).toBeGreaterThan(cuts / 2);
    expect(up.bytes.up / size).toBeLessThan(1.1);
    const down = await startCutter({ to: sshd.port, direction: 'down', at: randomPlaces(cuts, size) });
    const pulled = await place.run(
      `pull sftp://${sshd.user}@127.0.0.1:${down.port}${there}/edge.tar.gz -o back ${login} --json`,
    );
    expect([pulled.code, pulled.stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(await place.digest('back')).toBe(place.sha256);
    expect(down.bytes.down / size).toBeLessThan(1.1);
  });
});
