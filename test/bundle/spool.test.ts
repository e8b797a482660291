import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { exportBundle, importBundle, inspectBundle, verifyBundle } from '../../src/index.js';
import { signFile } from '../../src/operations/sign.js';
import { splitBundle } from '../../src/operations/split.js';
import { countWritten } from '../helpers/faults.mjs';
import type { TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { testKeys } from '../helpers/trust.js';
import { serving, startWeb } from '../helpers/web.js';

let dev: TestKey;
let qa: TestKey;
beforeAll(async () => {
  ({ dev, qa } = await testKeys('dev', 'qa'));
});

interface Place {
  readonly directory: string;
  readonly local: string;
  readonly remote: string;
  readonly size: number;
  readonly sha256: string;
  readonly trust: { readonly publicKeys: readonly TestKey['trusted'][] };
}

/**
 * A bundle that dev signed, here and on a web server. Its modules do not get smaller by packing, and none is there twice: `sign` keeps
 * such a one aside.
 */
async function bundle(name: string): Promise<Place> {
  const directory = await tempDir();
  const noise = randomBytes(200_000).toString('base64');
  await tinyTree(directory, { 'key-auth@1.0.0': noise, 'waf@1.0.0': 'b' });
  const local = join(directory, name);
  await exportBundle({ source: directory, output: local, set: 'edge', signer: dev });
  const bytes = await readFile(local);
  const { url } = await startWeb(serving({ [`/${name}`]: bytes }));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const trust = { publicKeys: [dev.trusted] };
  return { directory, local, remote: `${url}/${name}`, size: bytes.length, sha256, trust };
}

/** Bytes that `action` writes into private files without a name. */
async function spooled(action: () => Promise<unknown>): Promise<number> {
  const { total, restore } = await countWritten((path) => /^\.plugferry-[0-9a-f]{32}$/.test(basename(path)));
  onTestFinished(restore);
  await action();
  restore();
  return total();
}

type Use = (place: Place) => Promise<unknown>;
const uses: Readonly<Record<string, Use>> = {
  'verify of a file': ({ local, trust }) => verifyBundle({ bundle: local, trust }),
  'verify of a file that is pinned': ({ local, sha256, trust }) =>
    verifyBundle({ bundle: local, sha256, trust }),
  'verify of a URL': ({ remote, trust }) => verifyBundle({ bundle: remote, trust }),
  'verify of a URL that is pinned': ({ remote, sha256, trust }) =>
    verifyBundle({ bundle: remote, sha256, trust }),
  'inspect of a URL that is pinned': ({ remote, sha256 }) => inspectBundle({ bundle: remote, sha256 }),
  'import of a URL that is pinned': ({ directory, remote, sha256, trust }) =>
    importBundle({ bundle: remote, sha256, trust, to: join(directory, 'volume') }),
  'sign of a URL': ({ directory, remote, trust }) =>
    signFile({ file: remote, signer: qa, trust, output: join(directory, 'signed.zip') }),
  'sign of a URL that is pinned': ({ directory, remote, sha256, trust }) =>
    signFile({ file: remote, sha256, signer: qa, trust, output: join(directory, 'signed.zip') }),
  'a signature file for a URL that is pinned': ({ directory, remote, sha256, trust }) =>
    signFile({
      file: remote,
      sha256,
      signer: qa,
      trust,
      detached: true,
      output: join(directory, 'edge.sig'),
    }),
};

describe('what must be read more than once is copied to a private file once', () => {
  test.each(Object.entries(uses))('a zip: %s', async (_what, use) => {
    const place = await bundle('edge.zip');
    expect(await spooled(() => use(place))).toBe(place.size);
  });

  test.each(Object.entries(uses))(
    'a tar.gz, and only where it comes once or is pinned: %s',
    async (what, use) => {
      const place = await bundle('edge.tar.gz');
      const isCopied = what.includes('pinned') || what === 'sign of a URL';
      expect(await spooled(() => use(place))).toBe(isCopied ? place.size : 0);
    },
  );

  // A file of this machine is copied again to see whether somebody replaced it in between: one copy a reading, the last one closed.
  test.each(['edge.zip', 'edge.tar.gz'])('sign of %s that is pinned', async (name) => {
    const { local, sha256, size, trust } = await bundle(name);
    expect(await spooled(() => signFile({ file: local, sha256, signer: qa, trust }))).toBe(2 * size);
  });

  test('split of a file that is pinned', async () => {
    const { directory, local, sha256, size } = await bundle('edge.zip');
    const split = () =>
      splitBundle({ bundle: local, sha256, output: join(directory, 'parts'), partFile: 2 ** 20 });
    expect(await spooled(split)).toBe(size);
  });
});
