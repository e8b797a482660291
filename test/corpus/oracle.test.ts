import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { unpackTarGz } from '../../src/bundle/read-tar.js';
import { exportBundle } from '../../src/operations/export.js';
import { checkSignatures } from '../../src/trust/check.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import type { Lab } from '../helpers/corpus.js';
import { testKey } from '../helpers/keys.js';
import { listingOf, tarReaders, type Listing } from '../helpers/oracle.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { cases as gzipCases } from './gzip-cases.js';
import { cases as tarCases } from './tar-cases.js';

/** Names and versions as long as they may be: their paths need the prefix field of ustar. */
const longest = { name: `a${'-'.repeat(61)}z`, version: `1${'.0'.repeat(31)}0` };

/** Bundles that are accepted, by what is special about each. */
async function acceptable(lab: Lab): Promise<ReadonlyMap<string, Buffer>> {
  const rows = [...tarCases, ...gzipCases].filter((row) => row.expect === 'OK');
  const strange = rows.flatMap(({ id, build }) =>
    build(lab).map((bundle, way) => [`${id}-${way}`, bundle] as const),
  );
  const source = await tinyTree(await tempDir(), {
    'waf@1.0.0': 'waf',
    'waf@2.0.0': 'waf',
    // A hard link to a path of this length could not be written in ustar.
    [`${longest.name}@${longest.version}`]: 'long',
    [`${longest.name}@${longest.version.replace('1', '2')}`]: 'long',
  });
  const exported = join(lab.inbox, 'exported.tar.gz');
  await exportBundle({ source, output: exported, signer: lab.key });
  return new Map([
    ...strange,
    ['long', tarGz(bundleParts([lab.key], [longest, { ...longest, name: 'b' }]).entries)],
    ['exported', await readFile(exported)],
  ]);
}

async function ourListing(bundle: Buffer, { key }: Lab): Promise<Listing> {
  const sealed = await unpackTarGz(Readable.from([bundle]));
  const { manifest } = sealed.open((bytes, signatures) => checkSignatures(bytes, signatures, [key.trusted]));
  await sealed.close();
  return listingOf(sealed, manifest);
}

test.skipIf(tarReaders.length === 0)(
  'whatever is accepted, others list with the same names, types and sizes',
  async () => {
    const inbox = await tempDir();
    const lab = { key: await testKey(), outside: inbox, volume: inbox, inbox };
    const expected = new Map<string, Listing>();
    for (const [what, bundle] of await acceptable(lab))
      expected.set(await put(inbox, `${what}.bundle`, bundle), await ourListing(bundle, lab));
    expect(expected.size).toBeGreaterThan(5);
    for (const { name, list } of tarReaders) expect(await list([...expected.keys()]), name).toEqual(expected);
  },
);
