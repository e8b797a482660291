import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.js';
import { isPlugferryError } from '../../src/errors.js';
import { importBundle, type ImportOptions } from '../../src/operations/import.js';
import { readVolume } from '../../src/volume/read.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { storeIn, testKeys } from '../helpers/trust.js';
import { cases, now, seen, usual, usualStore, type Attempt, type People } from './policy-cases.js';

let people: People;
beforeAll(async () => {
  people = await testKeys('dev', 'qa', 'old', 'qa2', 'stranger');
});

const auditFile = 'volume/.plugferry/audit.jsonl';

/** A receiver whose volume has seen sequence 7, with a canary beside it. */
async function receiver({ bytes, policy, keys, document, clock = now, fresh = false }: Attempt) {
  const directory = await tempDir();
  const usually = usualStore(people);
  const outside = join(directory, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'canary'), 'sings');
  const volume = join(outside, 'volume');
  if (!fresh) {
    const first = bundleParts([people.dev, people.qa], [{ name: 'cors', version: '1.0.0' }], seen);
    const trust = { store: await storeIn(directory, usually) };
    const bundle = await put(directory, 'first.tar.gz', tarGz(first.entries));
    await importBundle({ bundle, to: volume, trust, clock: () => now });
  }
  const store = await storeIn(directory, {
    ...usually,
    ...document,
    ...(keys === undefined ? {} : { keys }),
    ...(policy === undefined ? {} : { sets: { edge: policy } }),
  });
  const options: ImportOptions = {
    bundle: await put(directory, 'arrived.tar.gz', bytes),
    to: volume,
    trust: { store },
    clock: () => clock,
  };
  return { outside, volume, options };
}

describe('signatures and policy', () => {
  test('the usual bundle, of which every case differs in one thing, is taken', async () => {
    const { dev, qa } = people;
    const { options, volume } = await receiver({
      bytes: tarGz(bundleParts([dev, qa], undefined, usual).entries),
    });
    const { checks, authentication } = await importBundle(options);
    expect(checks.filter(({ result }) => result !== 'passed')).toEqual([]);
    expect(authentication.signers.map(({ name, role }) => `${name} ${role ?? ''}`).sort()).toEqual([
      'dev-2026 dev',
      'qa-2026 qa',
    ]);
    expect((await readVolume(volume)).state.sets).toMatchObject([{ set: 'edge', sequence: 8 }]);
  });

  test.each(cases.map((row) => [`${row.id} ${row.title}`, row] as const))('%s', async (_name, row) => {
    const { outside, volume, options } = await receiver(row.build(people));
    const before = await treeOf(outside);
    const error: unknown = await importBundle(options).then(
      () => 'accepted',
      (refusal: unknown) => refusal,
    );
    if (!isPlugferryError(error)) throw new Error(String(error));
    expect(error.code).toBe(row.code);
    expect([3, 4, 5, 6]).toContain(exitCodes[error.code]);
    // Something to go by without the manual, and never the advice to look away.
    expect(error.hint ?? '').toMatch(/^[A-Z].{20,}\.?$/s);
    expect(error.hint).not.toMatch(/insecure|--allow-downgrade/);
    const after = await treeOf(outside);
    for (const tree of [before, after]) tree.delete(auditFile);
    const made = [...after.keys()].filter((path) => !before.has(path));
    // A volume that was not there may have been made, empty.
    expect(made.filter((path) => !/^volume(\/\.plugferry(\/.*)?)?$/.test(path))).toEqual([]);
    for (const [path, content] of before) expect([path, after.get(path)]).toEqual([path, content]);
    if (made.length > 0) expect(await readdir(join(volume, '.plugferry/staging'))).toEqual([]);
  });
});
