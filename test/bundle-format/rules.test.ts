import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { verifyBundle } from '../../src/index.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { expectRefused, receiver } from '../helpers/receiver.js';
import { boxes, wantedBoxes } from '../helpers/toolbox.js';
import {
  entryRows,
  fileRows,
  gzipRows,
  manifestRows,
  resourceRows,
  sameRows,
  tarRows,
  type Row,
} from './rows.js';

/** Both readers of the format, held against what `schemas/README.md` says, rule by rule. */

const [box] = boxes;

let dev: TestKey;
beforeAll(async () => {
  dev = await testKey('dev');
});

async function nodeSays(bundle: string): Promise<string> {
  try {
    await verifyBundle({ bundle, trust: { publicKeys: [dev.trusted] } });
    return 'accepted';
  } catch (error) {
    if (isPlugferryError(error)) return error.code;
    throw error;
  }
}

/** Rules that depend on what this awk, this gzip or this tr does; the others are tried in every box by `test/tool`. */
const delicate = [...gzipRows, ...fileRows, ...sameRows].filter(({ rule }) =>
  /several members|ends: |NUL|dialect|Windows|last line feed|carriage|times|of version 1|earlier one has/.test(
    rule,
  ),
);

describe.each(wantedBoxes)('%s', (_name, each) => {
  test.skipIf(each === undefined)('says the same of what depends on it', async () => {
    const [kept, broken] = [
      delicate.filter(({ shell }) => shell === 0),
      delicate.filter(({ shell }) => shell !== 0),
    ];
    for (const { rule, build } of kept) {
      const there = await receiver(each!, build(dev), { signer: dev });
      expect({ rule, ...there.install() }).toMatchObject({ rule, code: 0, stderr: '' });
    }
    for (const { rule, build, shell } of broken) {
      const there = await receiver(each!, build(dev), { signer: dev });
      expect({ rule, code: there.install().code }).toEqual({ rule, code: shell });
    }
  });
});

describe.each<[string, readonly Row[]]>([
  ['1, the entries', entryRows],
  ['1.1, gzip', gzipRows],
  ['1.2, tar', tarRows],
  ['1.3, the manifest', manifestRows],
  ['1.3, same bytes', sameRows],
  ['1.5 and 1.6, modules and metadata.txt', fileRows],
  ['1.8, resources', resourceRows],
])('%s', (_section, rows) => {
  test.skipIf(box === undefined).each(rows.map((row) => [row.rule, row] as const))(
    '%s',
    async (_rule, { build, node, shell }) => {
      const there = await receiver(box!, build(dev), { signer: dev });
      const said = await nodeSays(join(there.here, 'edge.tar.gz'));
      let code = 0;
      if (shell === 0) code = there.install().code ?? -1;
      else await expectRefused(there, there.install, shell);
      expect({ node: said, shell: shell === 0 ? code : shell }).toEqual({ node, shell });
    },
  );
});
