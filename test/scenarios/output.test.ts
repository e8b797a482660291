import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { binary, cli, errorCode, type CliOptions, type CliRun } from '../helpers/cli.js';
import { freePort } from '../helpers/http.js';
import { testKey } from '../helpers/keys.js';
import { expectNoSecret, secret } from '../helpers/secrets.js';
import { hasSshd, startSshd } from '../helpers/sshd.js';
import { startStore } from '../helpers/store.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { startWeb } from '../helpers/web.js';

/** A directory with a tree, edge.tar.gz signed by dev, and the keys dev and qa; private copies go to an empty directory. */
async function scene() {
  const directory = await tempDir();
  const scratch = await tempDir();
  await tinyTree(directory, { 'waf@1.0.0': 'a' });
  const signer = await testKey('dev');
  await signer.writeTo(directory);
  await (await testKey('qa')).writeTo(directory);
  await exportBundle({ source: directory, output: join(directory, 'edge.tar.gz'), signer });
  const run = (line: string, { env = {}, ...options }: CliOptions = {}): Promise<CliRun> =>
    cli(line.split(' '), { cwd: directory, ...options, env: { TMPDIR: scratch, ...env } });
  /** What a shell makes of a line, in which "plugferry" is the real binary. */
  const shell = async (line: string): Promise<{ stdout: string; stderr: string }> => {
    const script = line.replaceAll('plugferry', `"${process.execPath}" "${binary}"`);
    const said = await promisify(execFile)('sh', ['-c', script], {
      cwd: directory,
      env: { ...process.env, TMPDIR: scratch },
    });
    expectNoSecret(said.stdout + said.stderr, line);
    return said;
  };
  const files = async (): Promise<string[]> => (await readdir(directory)).sort();
  const before = await files();
  /** Nothing has been written but what is named. */
  const expectOnly = async (...names: string[]): Promise<void> => {
    expect(await files()).toEqual([...before, ...names].sort());
    expect(await readdir(scratch)).toEqual([]);
  };
  return { directory, run, shell, expectOnly };
}

const verified = { code: 0, stdout: expect.stringContaining('VERIFIED: signature and every byte') as string };
const signed = '--signing-key dev.key --allow-plain-key';
const countersigned = '--signing-key qa.key --allow-plain-key --public-key dev.pub';

describe('standard output', () => {
  test('takes a bundle of export and convert, and all talk goes to stderr', async () => {
    const { directory, run, shell, expectOnly } = await scene();
    const piped = await shell(`plugferry export . -o - ${signed} | plugferry verify - --public-key dev.pub`);
    expect(piped.stdout).toContain('VERIFIED: signature and every byte');
    const { stderr } = await shell(`plugferry export . -o - ${signed} --json >out.tar.gz`);
    const said = JSON.parse(stderr.slice(stderr.indexOf('{'), stderr.lastIndexOf('}') + 1)) as object;
    const bytes = await readFile(join(directory, 'out.tar.gz'));
    expect(said).toMatchObject({ file: 'standard output', size: bytes.length, sha256: sha256Of(bytes) });
    await shell('plugferry convert - -o - <edge.tar.gz >again.tar.gz');
    expect(await run('verify again.tar.gz --public-key dev.pub')).toMatchObject(verified);
    await expectOnly('out.tar.gz', 'again.tar.gz');
  });

  test('gets not one byte of what fails', async () => {
    const { directory, run, expectOnly } = await scene();
    const edge = await readFile(join(directory, 'edge.tar.gz'));
    const cut = await run('convert - -o -', { input: edge.subarray(0, -100) });
    expect([cut.code, cut.stdout]).toEqual([3, '']);
    const nothing = await run('export . -o - --plugin none');
    expect([nothing.code === 0, nothing.stdout]).toEqual([false, '']);
    for (const option of ['--split-size 1M', '--with-tool']) {
      const senseless = await run(`export . -o - ${option}`);
      expect(senseless).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining('a path') as string,
      });
    }
    await expectOnly();
  });

  test('that is full is said', async () => {
    const { shell, expectOnly } = await scene();
    const { stdout } = await shell(
      '{ plugferry convert edge.tar.gz -o - --json; echo "code $?" >&2; } 2>&1 >/dev/full',
    );
    expect(stdout).toContain('E_IO');
    expect(stdout).toContain('code 7');
    await expectOnly();
  });
});

describe('a web server', () => {
  test('takes a bundle of export and convert, in the container that the name says', async () => {
    const { run, expectOnly } = await scene();
    const store = await startStore();
    const result = await run(`export . -o ${store.url}/in/new.tar.gz ${signed} --json`);
    const { size, sha256 } = JSON.parse(result.stdout) as { size: number; sha256: string };
    const there = store.files.get('/in/new.tar.gz') ?? Buffer.alloc(0);
    expect([there.length, sha256Of(there)]).toEqual([size, sha256]);
    expect(JSON.parse(result.stdout)).toMatchObject({ file: `${store.url}/in/new.tar.gz`, proof: 'size' });
    expect(await run(`verify ${store.url}/in/new.tar.gz --public-key dev.pub`)).toMatchObject(verified);
    expect(await run(`convert ${store.url}/in/new.tar.gz -o ${store.url}/in/new.zip`)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the server holds as many bytes') as string,
    });
    expect(store.files.get('/in/new.zip')?.subarray(0, 2).toString()).toBe('PK');
    expect(await run(`verify ${store.url}/in/new.zip --public-key dev.pub`)).toMatchObject(verified);
    await expectOnly();
  });

  test('keeps what it has, unless --force says otherwise', async () => {
    const { run, expectOnly } = await scene();
    const store = await startStore();
    const old = Buffer.from('old');
    store.files.set('/x.tar.gz', old);
    for (const line of ['export .', 'convert edge.tar.gz']) {
      const refused = await run(`${line} -o ${store.url}/x.tar.gz --json`);
      expect([refused.code, errorCode(refused)]).toEqual([6, 'E_EXISTS']);
      expect(store.files.get('/x.tar.gz')).toBe(old);
    }
    expect(await run(`convert edge.tar.gz -o ${store.url}/x.tar.gz --force`)).toMatchObject({ code: 0 });
    expect(await run(`verify ${store.url}/x.tar.gz --public-key dev.pub`)).toMatchObject(verified);
    await expectOnly();
  });

  test('that is not there, or refuses, gets nothing; a damaged bundle is not sent', async () => {
    const { directory, run, expectOnly } = await scene();
    const web = await startWeb((_request, response) => response.writeHead(403).end());
    expect((await run(`export . -o ${web.url}/x.tar.gz`)).code).toBe(8);
    const down = await run(`convert edge.tar.gz -o http://127.0.0.1:${await freePort()}/x.tar.gz --json`);
    expect(errorCode(down)).toBe('E_NETWORK');
    const store = await startStore();
    const edge = await readFile(join(directory, 'edge.tar.gz'));
    const cut = await run(`convert - -o ${store.url}/x.tar.gz --json`, { input: edge.subarray(0, -100) });
    expect([cut.code, errorCode(cut)]).toEqual([3, 'E_GZIP']);
    expect(store.files.size).toBe(0);
    expect(store.asked).toEqual([]);
    await expectOnly();
  });

  test('gets a key in the query of its address, and nobody else sees it', async () => {
    const { run } = await scene();
    const store = await startStore();
    const key = secret('upload-signature-0123456789');
    const result = await run(`convert edge.tar.gz -o ${store.url}/x.zip?X-Signature=${key}`);
    expect(result).toMatchObject({ code: 0 });
    expect([...store.files.keys()]).toEqual([`/x.zip?X-Signature=${key}`]);
    const nameless = await run(`convert edge.tar.gz -o ${store.url}/x?X-Signature=${key} --json`);
    expect(errorCode(nameless)).toBe('E_USAGE');
  });
});

test('a place that is none is refused before anything is fetched for it', async () => {
  const { run } = await scene();
  const store = await startStore();
  for (const verb of ['export', 'sign --signing-key dev.key --allow-plain-key']) {
    const refused = await run(`${verb} ${store.url}/x.tar.gz -o ftp://127.0.0.1/x.tar.gz --json`);
    expect(errorCode(refused)).toBe('E_USAGE');
  }
  expect(store.asked).toEqual([]);
});

test.each([
  'export . -o http://127.0.0.1:1/x.tar.gz --split-size 1M',
  'export . -o sftp://a@127.0.0.1:1/x.tar.gz --with-tool',
  'export . -o http://127.0.0.1:1/',
  'export . -o ftp://127.0.0.1:1/x.tar.gz',
  'convert edge.tar.gz -o https://127.0.0.1:1/x.tar',
  'convert edge.tar.gz -o sftp://127.0.0.1:1/in/',
])('%s makes no sense', async (line) => {
  const { run, expectOnly } = await scene();
  const refused = await run(`${line} --json`);
  expect([refused.code, errorCode(refused)]).toEqual([2, 'E_USAGE']);
  await expectOnly();
});

describe.runIf(hasSshd)('an SSH server', () => {
  async function serving() {
    const place = await scene();
    const sshd = await startSshd();
    const there = await tempDir();
    const login = `--identity ${sshd.identity} --host-key ${sshd.fingerprint}`;
    return { ...place, there, login, url: sshd.url(there) };
  }

  test('takes a bundle of export and convert', async () => {
    const { run, there, login, url, expectOnly } = await serving();
    const result = await run(`export . -o ${url}/new.tar.gz ${signed} ${login} --json`);
    const { file, proof, sha256 } = JSON.parse(result.stdout) as Record<string, string>;
    expect([proof, sha256Of(await readFile(join(there, 'new.tar.gz')))]).toEqual(['digest', sha256]);
    expect(file).toMatch(/^sftp:\/\/127\.0\.0\.1:\d+\/.*new\.tar\.gz$/);
    expect(await run(`convert ${url}/new.tar.gz -o ${url}/new.zip ${login}`)).toMatchObject({ code: 0 });
    expect(await run(`verify ${url}/new.zip --public-key dev.pub ${login}`)).toMatchObject(verified);
    expect((await readdir(there)).sort()).toEqual(['new.tar.gz', 'new.zip']);
    await expectOnly();
  });

  test('has a bundle countersigned that every reader takes where it is', async () => {
    const { directory, run, there, login, url, expectOnly } = await serving();
    const edge = await readFile(join(directory, 'edge.tar.gz'));
    await writeFile(join(there, 'edge.tar.gz'), edge);
    const sign = `sign ${url}/edge.tar.gz -o ${url}/both.tar.gz ${countersigned} ${login} --json`;
    const result = JSON.parse((await run(sign)).stdout) as Record<string, string>;
    expect([result['proof'], result['file']]).toEqual([
      'digest',
      expect.stringMatching(/^sftp:.*both\.tar\.gz$/),
    ]);
    const both = `${url}/both.tar.gz`;
    for (const signer of ['dev', 'qa'])
      expect(await run(`verify ${both} --public-key ${signer}.pub ${login}`)).toMatchObject(verified);
    expect(await run(`inspect ${both} ${login}`)).toMatchObject({ code: 0 });
    expect(await run(`diff ${url}/edge.tar.gz ${both} --exit-code ${login}`)).toMatchObject({ code: 0 });
    expect(await run(`import ${both} --to volume --public-key qa.pub ${login}`)).toMatchObject({ code: 0 });
    expect(errorCode(await run(sign))).toBe('E_EXISTS');
    expect(await readFile(join(there, 'edge.tar.gz'))).toEqual(edge);
    expect((await readdir(there)).sort()).toEqual(['both.tar.gz', 'edge.tar.gz']);
    await expectOnly('volume');
  });

  test('keeps what it has, and holds nothing of what fails', async () => {
    const { directory, run, there, login, url, expectOnly } = await serving();
    await writeFile(join(there, 'x.tar.gz'), 'old');
    await mkdir(join(there, 'd.tar.gz'));
    expect(errorCode(await run(`export . -o ${url}/x.tar.gz ${login} --json`))).toBe('E_EXISTS');
    for (const force of ['', ' --force'])
      expect((await run(`export . -o ${url}/d.tar.gz ${login}${force}`)).code).not.toBe(0);
    expect((await run(`export . -o ${url}/none/y.tar.gz ${login}`)).code).not.toBe(0);
    const wrongHost = `--identity dev.key --host-key SHA256:${'A'.repeat(43)}`;
    expect(errorCode(await run(`export . -o ${url}/y.tar.gz ${wrongHost} --json`))).toBe('E_HOST_KEY');
    const edge = await readFile(join(directory, 'edge.tar.gz'));
    const cut = await run(`convert - -o ${url}/y.tar.gz ${login} --json`, { input: edge.subarray(0, -100) });
    expect(errorCode(cut)).toBe('E_GZIP');
    expect((await readdir(there)).sort()).toEqual(['d.tar.gz', 'x.tar.gz']);
    expect(await readFile(join(there, 'x.tar.gz'), 'utf8')).toBe('old');
    expect(await run(`export . -o ${url}/x.tar.gz ${login} --force`)).toMatchObject({ code: 0 });
    await expectOnly();
  });
});

describe('sign', () => {
  test('reads from a pipe and writes to one', async () => {
    const { directory, run, shell, expectOnly } = await scene();
    const line = `plugferry sign - -o - ${countersigned} <edge.tar.gz | plugferry verify - --public-key qa.pub`;
    expect((await shell(line)).stdout).toContain('VERIFIED: signature and every byte');
    const input = await readFile(join(directory, 'edge.tar.gz'));
    expect(await run(`sign - -o both.zip ${countersigned}`, { input })).toMatchObject({ code: 0 });
    expect(await run('verify both.zip --public-key qa.pub')).toMatchObject(verified);
    await shell(`plugferry sign - --detached -o - ${countersigned} <edge.tar.gz >qa.sig`);
    await run('sign edge.tar.gz --signature qa.sig --signed-by qa.pub -o attached.tar.gz');
    expect(await run('verify attached.tar.gz --public-key qa.pub')).toMatchObject(verified);
    await expectOnly('both.zip', 'qa.sig', 'attached.tar.gz');
  });

  test('reads from a web server, once, and writes to one', async () => {
    const { directory, run, expectOnly } = await scene();
    const store = await startStore();
    const edge = await readFile(join(directory, 'edge.tar.gz'));
    store.files.set('/edge.tar.gz', edge);
    const place = `${store.url}/edge.tar.gz`;
    const result = await run(`sign ${place} -o ${store.url}/both.tar.gz ${countersigned} --json`);
    expect(JSON.parse(result.stdout)).toMatchObject({ file: `${store.url}/both.tar.gz`, proof: 'size' });
    expect(store.asked.filter((path) => path === '/edge.tar.gz')).toHaveLength(1);
    expect(await run(`verify ${store.url}/both.tar.gz --public-key qa.pub`)).toMatchObject(verified);
    expect(store.files.get('/edge.tar.gz')).toBe(edge);
    const taken = await run(`sign ${place} -o ${store.url}/both.tar.gz ${countersigned} --json`);
    expect(errorCode(taken)).toBe('E_EXISTS');
    await expectOnly();
  });

  test('changes nothing in place that is not here, and signs nothing that is not what it says', async () => {
    const { directory, run, expectOnly } = await scene();
    const edge = await readFile(join(directory, 'edge.tar.gz'));
    const store = await startStore();
    store.files.set('/edge.tar.gz', edge);
    const place = `${store.url}/edge.tar.gz`;
    for (const detached of ['', ' --detached']) {
      expect(errorCode(await run(`sign ${place} ${countersigned}${detached} --json`))).toBe('E_USAGE');
      const piped = await run(`sign - ${countersigned}${detached} --json`, { input: edge });
      expect(errorCode(piped)).toBe('E_USAGE');
    }
    const other = sha256Of(Buffer.from('other'));
    const pinned = await run(`sign ${place} -o x.tar.gz --sha256 ${other} ${countersigned} --json`);
    expect(errorCode(pinned)).toBe('E_DIGEST');
    const cut = await run(`sign - -o - ${countersigned}`, { input: edge.subarray(0, -100) });
    expect([cut.code, cut.stdout]).toEqual([3, '']);
    const stranger = '--signing-key qa.key --allow-plain-key --public-key qa.pub';
    const distrusted = await run(`sign ${place} -o ${store.url}/x.tar.gz ${stranger} --json`);
    expect(distrusted.code).toBe(4);
    expect([...store.files.keys()]).toEqual(['/edge.tar.gz']);
    await expectOnly();
  });
});

describe('split', () => {
  const split = '--split-size 1M --parity 100%';

  test('reads a bundle where it is, and parts', async () => {
    const { directory, run, expectOnly } = await scene();
    const edge = await readFile(join(directory, 'edge.tar.gz'));
    const store = await startStore();
    store.files.set('/in/far.tar.gz', edge);
    const sets = [
      await run(`split ${store.url}/in/far.tar.gz ${split} --json`),
      await run(`split - -o piped ${split} --sha256 ${sha256Of(edge)} --json`, { input: edge }),
      await run(`split edge.tar.gz ${split} --json`),
      await run(`split piped.part001 -o again ${split} --json`),
    ].map(({ stdout }) => JSON.parse(stdout) as { set: string; sha256: string });
    for (const { set, sha256 } of sets) expect([set, sha256]).toEqual([sets[0]?.set, sha256Of(edge)]);
    expect(await run('verify again.part001 --public-key dev.pub')).toMatchObject(verified);
    const names = ['far.tar.gz', 'piped', 'edge.tar.gz', 'again'];
    await expectOnly(...names.flatMap((name) => [`${name}.part001`, `${name}.part002`]));
  });

  test('writes nothing where there is no name, or another file came', async () => {
    const { directory, run, expectOnly } = await scene();
    const edge = await readFile(join(directory, 'edge.tar.gz'));
    expect(errorCode(await run(`split - ${split} --json`, { input: edge }))).toBe('E_USAGE');
    expect(errorCode(await run(`split - -o . ${split} --json`, { input: edge }))).toBe('E_USAGE');
    const other = sha256Of(Buffer.from('other'));
    for (const place of ['-', 'edge.tar.gz']) {
      const refused = await run(`split ${place} -o x ${split} --sha256 ${other} --json`, { input: edge });
      expect(errorCode(refused)).toBe('E_DIGEST');
    }
    await expectOnly();
  });
});
