import { existsSync, readFileSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { convertBundle, exportBundle, signFile } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { verifies } from '../../src/trust/signature.js';
import { cli } from '../helpers/cli.js';
import { watchFileSystem } from '../helpers/faults.mjs';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

let dev: TestKey;
let qa: TestKey;
beforeAll(async () => {
  dev = await testKey('dev');
  qa = await testKey('qa', 'ed25519');
});

/** What the two commands of README say of what a run leaves that is killed at this moment; undefined where a file is missing. */
function vouchedFor(bundle: string, keys: readonly TestKey[]): { bundle: string; by: string } | undefined {
  const [digestFile, signatureFile] = [`${bundle}.sha256`, `${bundle}.sha256.sig`];
  if (![bundle, digestFile].every((file) => existsSync(file))) return undefined;
  const digest = readFileSync(digestFile);
  const found = sha256Of(readFileSync(bundle));
  // Not even an unsigned digest stands beside another file.
  expect(digest.toString()).toBe(`${found}  edge.tar.gz\n`);
  if (!existsSync(signatureFile)) return undefined;
  const signature = readFileSync(signatureFile);
  const signer = keys.find(({ trusted }) => verifies(digest, signature, trusted));
  expect(signer, 'a signature over another digest').toBeDefined();
  return { bundle: found, by: signer!.keyId };
}

type Run = (place: { readonly bundle: string; readonly source: string }) => Promise<unknown>;

describe('killed at any step, a run leaves no bundle beside the digest of another', () => {
  test.each<[string, Run, boolean]>([
    [
      'export --force --sign-file',
      ({ source, bundle }) =>
        exportBundle({ source, output: bundle, signer: qa, signFile: true, force: true, sequence: 2 }),
      true,
    ],
    [
      'export --force, which signs no digest',
      ({ source, bundle }) => exportBundle({ source, output: bundle, signer: qa, force: true, sequence: 2 }),
      false,
    ],
    [
      'sign --sign-file, in place',
      ({ bundle }) =>
        signFile({ file: bundle, signer: qa, signFile: true, trust: { publicKeys: [dev.trusted] } }),
      true,
    ],
    [
      'convert --force --sign-file',
      async ({ source, bundle }) => {
        const zip = bundle.replace('edge.tar.gz', 'other.zip');
        await exportBundle({ source, output: zip, signer: dev, sequence: 3 });
        await convertBundle({ bundle: zip, output: bundle, fileSigner: qa, force: true });
      },
      true,
    ],
  ])('%s', async (_what, run, isVouched) => {
    const directory = await tempDir();
    const source = await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const bundle = join(directory, 'edge.tar.gz');
    await exportBundle({ source, output: bundle, signer: dev, signFile: true, sequence: 1 });
    const first = vouchedFor(bundle, [dev, qa]);
    expect(first?.by).toBe(dev.keyId);
    let moments = 0;
    const look = (): void => {
      moments += 1;
      const said = vouchedFor(bundle, [dev, qa]);
      if (said?.by === dev.keyId) expect(said).toEqual(first);
    };
    const restore = await watchFileSystem(() => {
      look();
      return look;
    });
    try {
      await run({ bundle, source });
    } finally {
      restore();
    }
    expect(moments).toBeGreaterThan(20);
    const last = vouchedFor(bundle, [dev, qa]);
    expect(last?.by).toBe(isVouched ? qa.keyId : undefined);
    expect(last?.bundle).not.toBe(first?.bundle);
    const beside = (await readdir(directory)).filter((name) => name.startsWith('edge.')).sort();
    const names = ['edge.tar.gz', 'edge.tar.gz.sha256', 'edge.tar.gz.sha256.sig'];
    expect(beside).toEqual(isVouched ? names : names.slice(0, 1));
  });
});

test('a signature of earlier digests of the program does not stay beside others', async () => {
  const directory = await tempDir();
  await tinyTree(directory, { 'waf@1.0.0': 'a' });
  await dev.writeTo(directory);
  const run = (line: string) => cli(line.split(' '), { cwd: directory });
  const signed = await run(
    'export plugins -o a.tar.gz --with-tool --signing-key dev.key --allow-plain-key --json',
  );
  expect(signed.code, signed.stdout).toBe(0);
  // As an older release would have left them.
  await writeFile(join(directory, 'plugferry.sha256'), `${'0'.repeat(64)}  plugferry.mjs\n`);
  const unsigned = 'export plugins -o b.tar.gz --with-tool --json';
  expect((await run(unsigned)).code).toBe(6);
  await rm(join(directory, 'plugferry.sha256'));
  expect((await run(unsigned)).code).toBe(6);
  const forced = await run(`${unsigned} --force`);
  expect(forced.code, forced.stdout).toBe(0);
  const names = (await readdir(directory)).filter((name) => name.startsWith('plugferry.')).sort();
  expect(names).toEqual(['plugferry.licenses.txt', 'plugferry.mjs', 'plugferry.sha256']);
});
