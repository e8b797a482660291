import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { signFile } from '../../src/operations/sign.js';
import { openTrustStore, updateTrust } from '../../src/operations/trust-store.js';
import { malleated } from '../helpers/malleate.js';
import type { TestKey } from '../helpers/keys.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { oneOfEach, putStore, testKeys, type Entrusted, type StoreParts } from '../helpers/trust.js';

type Name = 'ann' | 'ben' | 'cem' | 'dev' | 'eve';
let people: Record<Name, TestKey>;
beforeAll(async () => {
  people = await testKeys('ann', 'ben', 'cem', 'dev', 'eve');
});

const root = (name: Name, facts: Partial<Entrusted> = {}): Entrusted => ({
  key: people[name],
  role: 'root',
  name,
  ...facts,
});

/** Version 5, of which any two of Ann, Ben and Cem may make the next. */
const current = (): StoreParts => ({
  version: 5,
  rootThreshold: 2,
  keys: [root('ann'), root('ben'), root('cem')],
  sets: { edge: oneOfEach('dev') },
});

/** The same with dev, version 6. */
const next = (): StoreParts => ({
  ...current(),
  version: 6,
  keys: [...current().keys, { key: people.dev, role: 'dev', name: 'dev' }],
});

async function stores(parts: StoreParts, signers: readonly Name[], from: StoreParts = current()) {
  const directory = await tempDir();
  const store = await putStore(join(directory, 'store'), from);
  const arrived = await putStore(
    join(directory, 'arrived'),
    parts,
    signers.map((name) => people[name]),
  );
  return { store, arrived };
}

const codeOf = async (action: Promise<unknown>): Promise<string> =>
  action.then(
    () => 'accepted',
    (error: unknown) => (isPlugferryError(error) ? error.code : `not ours: ${String(error)}`),
  );

describe('trust update', () => {
  test('takes over a store that enough roots signed: keys, policy, signatures, nothing else', async () => {
    const { store, arrived } = await stores(next(), ['ann', 'cem']);
    const { outcome, previousVersion, signedBy, store: listing } = await updateTrust(store, arrived);
    expect([outcome, previousVersion, listing.version, listing.directory]).toEqual(['updated', 5, 6, store]);
    expect(signedBy.map(({ name }) => name).sort()).toEqual(['ann', 'cem']);
    expect(await treeOf(store)).toEqual(await treeOf(arrived));
    expect((await openTrustStore(store)).keys).toHaveLength(4);
    expect((await updateTrust(store, arrived)).outcome).toBe('unchanged');
  });

  test('takes a store whose signatures sign made, one person after the other', async () => {
    const { store, arrived } = await stores(next(), []);
    for (const signer of [people.ann, people.ben]) {
      expect(await codeOf(updateTrust(store, arrived))).toMatch(/E_UNSIGNED|E_POLICY/);
      await signFile({ file: join(arrived, 'trust.json'), signer });
    }
    expect((await updateTrust(store, arrived)).outcome).toBe('updated');
  });

  test('takes away the key files of keys that are gone', async () => {
    const { store, arrived } = await stores(
      { ...next(), keys: [root('ann'), root('ben')], rootThreshold: 1 },
      ['ann', 'ben'],
    );
    await updateTrust(store, arrived);
    expect((await readdir(store)).filter((name) => name.endsWith('.pub')).sort()).toEqual(
      [people.ann, people.ben].map(({ keyId }) => `${keyId}.pub`).sort(),
    );
  });

  test.each<[string, string, () => StoreParts, Name[]]>([
    ['nobody signed', 'E_UNSIGNED', next, []],
    ['one root signed where two are needed', 'E_POLICY', next, ['ann']],
    ['one root and a key of another role signed', 'E_POLICY', next, ['ann', 'dev']],
    ['strangers signed', 'E_SIGNER_UNKNOWN', next, ['eve', 'dev']],
    ['it is older', 'E_ROLLBACK', () => ({ ...next(), version: 4 }), ['ann', 'ben']],
    [
      'it is another store of the same version',
      'E_EQUIVOCATION',
      () => ({ ...next(), version: 5 }),
      ['ann', 'ben'],
    ],
    [
      'it makes a stranger root who did not sign',
      'E_POLICY',
      () => ({ ...next(), keys: [root('ann'), root('eve')] }),
      ['ann', 'ben'],
    ],
    [
      'its new roots signed, but not enough of the old ones',
      'E_POLICY',
      () => ({ ...next(), keys: [root('ann'), root('eve')] }),
      ['ann', 'eve'],
    ],
    [
      'it raises the threshold above who signed',
      'E_POLICY',
      () => ({ ...next(), rootThreshold: 3 }),
      ['ann', 'ben'],
    ],
    ['it leaves nobody root', 'E_POLICY', () => ({ ...next(), keys: [next().keys[3]!] }), ['ann', 'ben']],
    [
      'it revokes a root who would be needed',
      'E_POLICY',
      () => ({ ...next(), keys: [root('ann'), root('ben', { status: 'revoked' }), root('cem')] }),
      ['ann', 'ben'],
    ],
  ])('refuses when %s', async (...[, code, parts, signers]) => {
    const { store, arrived } = await stores(parts(), signers);
    const before = await treeOf(store);
    expect(await codeOf(updateTrust(store, arrived))).toBe(code);
    expect(await treeOf(store)).toEqual(before);
  });

  test.each<[string, Name[], string]>([
    ['old and new roots signed', ['ann', 'ben', 'eve'], 'updated'],
    ['one signature counts on both sides', ['ann', 'ben'], 'E_POLICY'],
  ])('roots are replaced when %s', async (_what, signers, expected) => {
    const replaced = { ...next(), keys: [root('ann'), root('eve')] };
    const { store, arrived } = await stores(replaced, signers);
    const result = await updateTrust(store, arrived).catch((error: unknown) => error);
    expect(result).toMatchObject(expected === 'updated' ? { outcome: 'updated' } : { code: expected });
  });

  test('the keys that were replaced do not count for the update after that', async () => {
    const { store, arrived } = await stores({ ...next(), keys: [root('cem'), root('eve')] }, [
      'ann',
      'ben',
      'cem',
      'eve',
    ]);
    await updateTrust(store, arrived);
    const back = await putStore(join(arrived, '../back'), { ...next(), version: 7 }, [
      people.ann,
      people.ben,
    ]);
    expect(await codeOf(updateTrust(store, back))).toBe('E_SIGNER_UNKNOWN');
  });

  test.each<[string, Partial<Entrusted>]>([
    ['revoked', { status: 'revoked' }],
    ['expired', { notAfter: '2020-01-01T00:00:00Z' }],
  ])('a root that is %s does not count', async (_what, facts) => {
    const from = { ...current(), keys: [root('ann'), root('ben', facts), root('cem')] };
    const { store, arrived } = await stores({ ...next(), keys: from.keys }, ['ann', 'ben'], from);
    expect(await codeOf(updateTrust(store, arrived))).toBe('E_POLICY');
  });

  test('one person under two names counts once, also with a malleated signature', async () => {
    const { store, arrived } = await stores(next(), ['ann']);
    const signature = await readFile(join(arrived, `${people.ann.keyId}.sig`));
    await writeFile(join(arrived, `${'f'.repeat(64)}.sig`), malleated(signature));
    await writeFile(join(arrived, `${'e'.repeat(64)}.sig`), signature);
    expect(await codeOf(updateTrust(store, arrived))).toBe('E_POLICY');
  });

  test.each<[string, string, (arrived: string) => Promise<unknown>]>([
    [
      'a changed byte of trust.json',
      'E_SIGNATURE_INVALID',
      async (arrived) => {
        const file = join(arrived, 'trust.json');
        await writeFile(file, (await readFile(file, 'utf8')).replace('"dev"', '"qa"'));
      },
    ],
    [
      'something that is no JSON, which nobody signed',
      'E_SIGNATURE_INVALID',
      (arrived) => writeFile(join(arrived, 'trust.json'), '{'.repeat(100_000)),
    ],
    [
      'another key in a key file',
      'E_TRUST_STORE',
      (arrived) => writeFile(join(arrived, `${people.dev.keyId}.pub`), people.eve.publicPem),
    ],
    ['no key file', 'E_TRUST_STORE', (arrived) => rm(join(arrived, `${people.dev.keyId}.pub`))],
    ['no trust.json', 'E_TRUST_MISSING', (arrived) => rm(join(arrived, 'trust.json'))],
    [
      'a huge signature',
      'E_LIMIT',
      (arrived) => writeFile(join(arrived, `${people.ann.keyId}.sig`), Buffer.alloc(129)),
    ],
    [
      'too many signatures',
      'E_LIMIT',
      async (arrived) => {
        for (let index = 0; index < 17; index += 1) {
          await writeFile(join(arrived, `${String(index).padStart(64, '0')}.sig`), 'x');
        }
      },
    ],
  ])('refuses %s', async (_what, code, spoil) => {
    const { store, arrived } = await stores(next(), ['ann', 'ben']);
    await spoil(arrived);
    const before = await treeOf(store);
    expect(await codeOf(updateTrust(store, arrived))).toBe(code);
    expect(await treeOf(store)).toEqual(before);
  });

  test('a store without roots is not updated by anybody', async () => {
    const { store, arrived } = await stores(next(), ['ann', 'ben'], {
      ...current(),
      keys: [{ key: people.dev, role: 'dev' }],
    });
    expect(await codeOf(updateTrust(store, arrived))).toBe('E_POLICY');
  });
});
