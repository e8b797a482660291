import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { headerBytes, recordBytes } from '../../src/parts/header.js';
import { blockCount, payloadSize, type Shape } from '../../src/parts/shape.js';
import { cli, errorCode } from '../helpers/cli.js';
import { tempDir } from '../helpers/temp.js';

const kib = 1024;
const bundleSha256 = 'a'.repeat(64);

/**
 * A part file that consists of its header, its record and a hole: some kilobytes on the disk, whatever size it has.
 *
 * @param digest of the digests of its blocks.
 */
async function hollowPart(path: string, shape: Shape, digest: string): Promise<void> {
  const digests = Array.from({ length: shape.data + shape.parity }, (_, part) =>
    part === 0 ? digest : 'b'.repeat(64),
  );
  const record = recordBytes(shape, digests);
  const file = await open(path, 'w');
  try {
    const start = 512 + payloadSize(shape, 0);
    await file.write(headerBytes({ set: sha256Of(record), part: 0, shape, digest }), 0, 512, 0);
    await file.write(record, 0, record.length, start);
    await file.truncate(start + record.length + 2 * 32 * blockCount(shape, 0));
  } finally {
    await file.close();
  }
}

const verified = async (shape: Shape, digest: string) => {
  const directory = await tempDir();
  await hollowPart(join(directory, 'a.part001'), shape, digest);
  return cli(['verify', 'a.part001', '--insecure-skip-signature', '--json'], { cwd: directory });
};

test('a part that claims 2 TiB in the smallest blocks is refused before its digests are read', async () => {
  const shape = { data: 1, parity: 0, block: 64 * kib, partSize: 2 ** 41, bundleSize: 2 ** 41, bundleSha256 };
  const run = await verified(shape, 'c'.repeat(64));
  expect([run.code, errorCode(run)]).toEqual([3, 'E_LIMIT']);
});

test('parts that are missing and claim to be large end the look at once, and are named', async () => {
  const block = 256 * kib;
  const partSize = 2 ** 23 * block;
  const shape = { data: 1, parity: 0, block, partSize, bundleSize: partSize, bundleSha256 };
  const run = await verified(shape, 'c'.repeat(64));
  expect([run.code, errorCode(run)]).toEqual([3, 'E_PARTS']);
  expect(run.stdout).toContain(`bytes 0-${partSize - 1} of the bundle`);
});

test('one short part whose digests are known does not make the others worth a look', async () => {
  const block = 64 * kib;
  const partSize = 2 ** 22 * block;
  const shape = { data: 2, parity: 0, block, partSize, bundleSize: partSize + 1, bundleSha256 };
  const directory = await tempDir();
  const table = Buffer.alloc(32);
  const digests = ['c'.repeat(64), sha256Of(table)];
  const record = recordBytes(shape, digests);
  const header = headerBytes({ set: sha256Of(record), part: 1, shape, digest: digests[1]! });
  const file = await open(join(directory, 'a.part002'), 'w');
  await file.writeFile(Buffer.concat([header, Buffer.from('x'), record, table]));
  await file.close();
  const run = await cli(['verify', 'a.part002', '--insecure-skip-signature', '--json'], { cwd: directory });
  expect([run.code, errorCode(run)]).toEqual([3, 'E_PARTS']);
});

test('blocks that would take gigabytes together make no header', async () => {
  const block = 16 * kib * kib;
  const shape = { data: 200, parity: 0, block, partSize: block, bundleSize: 200 * block, bundleSha256 };
  const run = await verified(shape, 'c'.repeat(64));
  expect([run.code, errorCode(run)]).toEqual([3, 'E_PARTS']);
  expect(run.stdout).toContain('no part of a bundle can be read');
});
