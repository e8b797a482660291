import { spawnSync } from 'node:child_process';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { signFile } from '../../src/operations/sign.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { testKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';

const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8');
const [withBundle = '', withSignature = ''] = readme.match(/^cosign verify-blob .*$/gm) ?? [];

/** Runs a command line; no longer than a minute, and with a proxy in front of the Internet that is not there. */
function runs(line: string, cwd: string) {
  const env = { PATH: process.env['PATH'], HOME: cwd, HTTPS_PROXY: 'http://127.0.0.1:9' };
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { cwd, env, timeout: 60_000 });
  return { status, output: Buffer.concat([stdout, stderr]).toString() };
}

/** The major version; 0 where there is no cosign. */
const major = Number(/^GitVersion:\s+v?(\d+)/m.exec(runs('cosign version', '/').output)?.[1] ?? 0);
if (major === 0) {
  // eslint-disable-next-line no-console
  console.warn('skipped: verification with cosign. Put it on PATH: https://docs.sigstore.dev/cosign/');
}

/** A signed bundle unpacked as far as cosign needs it, and its signature as a Sigstore bundle. */
async function unpacked(): Promise<{ directory: string; signatureLine: string; bundleLine: string }> {
  const directory = await tempDir();
  const dev = await testKey('dev');
  await dev.writeTo(directory);
  const { manifestBytes, entries } = bundleParts([dev]);
  const file = await put(directory, 'edge.tar.gz', tarGz(entries));
  await signFile({ file, signer: dev, sigstoreFile: join(directory, 'edge.sigstore.json') });
  expect(runs('tar xzf edge.tar.gz', directory).status).toBe(0);
  expect(await readFile(join(directory, 'manifest.json'))).toEqual(manifestBytes);
  // cosign 2 wants to be told of the Sigstore service also where it is not used: an empty root is enough.
  await writeFile(
    join(directory, 'root.json'),
    '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
  );
  return {
    directory,
    signatureLine: withSignature.replace('<keyid>', dev.keyId),
    bundleLine: major < 3 ? `${withBundle} --trusted-root root.json` : withBundle,
  };
}

test('README shows how cosign checks a Sigstore bundle and a raw signature', () => {
  expect(withBundle).toContain(' --bundle edge.sigstore.json ');
  expect(withSignature).toContain(' --signature signatures/<keyid>.sig ');
});

test.runIf(major > 0)(
  'cosign accepts both, offline, and neither for another manifest',
  { timeout: 300_000 },
  async () => {
    const { directory, signatureLine, bundleLine } = await unpacked();
    for (const line of [signatureLine, bundleLine])
      expect(runs(line, directory)).toMatchObject({
        status: 0,
        output: expect.stringContaining('Verified OK') as string,
      });
    await appendFile(join(directory, 'manifest.json'), ' ');
    for (const line of [signatureLine, bundleLine]) {
      const { status, output } = runs(line, directory);
      expect([status, output]).toEqual([
        1,
        expect.stringMatching(/invalid signature|failed to verify|could not verify/i),
      ]);
    }
  },
);
