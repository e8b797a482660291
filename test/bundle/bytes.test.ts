import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { cli } from '../helpers/cli.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

/** What these sources gave before the source files of this project were moved. Others have such bundles, and their digests. */
const tar = 'c88204700b5453fe671ba5bdea503517700130bef73df3d39b9970d749f826ee';
/** How well a compressor compresses is its own affair: these hold for one version of it. */
const compressed = {
  zlib: '1.3.1-e00f703',
  gzip: 'a42166c19a10ff4ae2241adf25dfb41e200a38ef4fda8a98060a892843c8c640',
  zip: 'a1066848e7939debbf3eb7cf32cd5b19ba5746e61d12b0e828174e8d114186f7',
};

test('the same sources give the same bundle as ever, byte for byte', async () => {
  const directory = await tempDir();
  await tinyTree(directory, { 'a@1.0.0': 'one', 'b@1.0.0': 'one', 'b@2.0.0': 'two' });
  const found = [];
  for (const name of ['x.tar.gz', 'x.zip']) {
    const run = await cli(['export', 'plugins', '-o', name, '--set', 'edge', '--sequence', '7', '--json'], {
      cwd: directory,
      env: { SOURCE_DATE_EPOCH: '1760000000' },
    });
    expect(run.code).toBe(0);
    found.push(await readFile(join(directory, name)));
  }
  const [gzip = Buffer.alloc(0), zip = Buffer.alloc(0)] = found;
  expect(sha256Of(gunzipSync(gzip))).toBe(tar);
  if (process.versions.zlib !== compressed.zlib) return;
  expect([sha256Of(gzip), sha256Of(zip)]).toEqual([compressed.gzip, compressed.zip]);
});
