import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Trust } from '../../src/verification/authenticate.js';
import { isPlugferryError } from '../../src/errors.js';
import { importBundle, type ImportOptions, type ImportResult } from '../../src/operations/import.js';
import type { Manifest } from '../../src/schema/manifest.js';
import type { SetPolicy } from '../../src/schema/trust.js';
import { readVolume } from '../../src/volume/read.js';
import { rollback } from '../../src/volume/rollback.js';
import { thisActor } from '../../src/release/this-actor.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { oneOfEach, storeIn } from '../helpers/trust.js';

let dev: TestKey;
beforeAll(async () => {
  dev = await testKey('dev');
});

/** A volume to import bundles into that differ in name and number. */
async function receiver(policy?: SetPolicy) {
  const directory = await tempDir();
  const to = join(directory, 'volume');
  const trust: Trust =
    policy === undefined
      ? { publicKeys: [dev.trusted] }
      : { store: await storeIn(directory, { keys: [{ key: dev, role: 'dev' }], sets: { edge: policy } }) };
  const arrive = async (
    fields: Partial<Manifest>,
    options: Partial<ImportOptions> = {},
  ): Promise<ImportResult | string> => {
    const version = `1.0.${fields.sequence ?? 0}`;
    const { entries } = bundleParts([dev], [{ name: 'waf', version }], (manifest) => ({
      ...manifest,
      ...fields,
    }));
    const bundle = await put(directory, 'b.tar.gz', tarGz(entries));
    try {
      return await importBundle({ bundle, to, trust, mode: 'replace', ...options });
    } catch (error) {
      if (!isPlugferryError(error)) throw error;
      return `${error.code}: ${error.message}`;
    }
  };
  const current = async () => (await readVolume(to)).current?.plugins.map(({ version }) => version);
  const state = async () => (await readVolume(to)).state;
  return { to, arrive, current, state };
}

describe('an older bundle', () => {
  test('is refused with what was seen and what is needed, and taken with --allow-downgrade', async () => {
    const { to, arrive, current, state } = await receiver();
    await arrive({ sequence: 40 });
    expect(await arrive({ sequence: 39 })).toMatch(
      /^E_ROLLBACK: .*sequence 39 .*sequence 40 .*higher .* than 40/,
    );
    expect(await current()).toEqual(['1.0.40']);
    const result = (await arrive({ sequence: 39 }, { allowDowngrade: true })) as ImportResult;
    expect(await current()).toEqual(['1.0.39']);
    expect(result.warnings).toEqual([
      expect.stringMatching(/downgrade .* from sequence 40 .* to sequence 39/),
    ]);
    const { origin } = (await readVolume(to)).current!;
    expect(origin).toMatchObject({ downgrade: true, warnings: result.warnings });
    const audit = (await readFile(join(to, '.plugferry/audit.jsonl'), 'utf8')).trim().split('\n');
    expect(JSON.parse(audit.at(-1)!)).toMatchObject({
      action: 'import',
      sequence: 39,
      warnings: result.warnings,
    });
    // The memory stays where it was: the next one must be newer than all.
    expect((await state()).sets).toMatchObject([{ sequence: 40 }]);
    expect(await arrive({ sequence: 38 })).toMatch(/^E_ROLLBACK/);
    expect(await arrive({ sequence: 41 })).toMatchObject({ outcome: 'published', warnings: [] });
  });

  test.each<[string, SetPolicy, RegExp | object]>([
    ['not where the policy is silent', oneOfEach('dev'), /^E_ROLLBACK: .*does not permit --allow-downgrade/],
    ['not where the policy says no', { ...oneOfEach('dev'), allowDowngrade: false }, /^E_ROLLBACK/],
    ['where the policy permits it', { ...oneOfEach('dev'), allowDowngrade: true }, { outcome: 'published' }],
    [
      'not below the lowest sequence of the policy',
      { ...oneOfEach('dev'), allowDowngrade: true, minSequence: 40 },
      /^E_ROLLBACK: .*lower than 40/,
    ],
  ])('with --allow-downgrade: %s', async (_what, policy, expected) => {
    const { arrive, current } = await receiver(policy);
    await arrive({ sequence: 40 });
    const result = await arrive({ sequence: 39 }, { allowDowngrade: true });
    if (expected instanceof RegExp) {
      expect(result).toMatch(expected);
      expect(await current()).toEqual(['1.0.40']);
    } else expect(result).toMatchObject(expected);
  });

  test('--allow-downgrade lets nothing else in: the same number stays the same bundle', async () => {
    const { arrive } = await receiver();
    await arrive({ sequence: 40 });
    expect(await arrive({ sequence: 40, tool: 'other' }, { allowDowngrade: true })).toMatch(
      /^E_EQUIVOCATION/,
    );
    expect(await arrive({ sequence: 40 })).toMatchObject({ outcome: 'unchanged' });
    const past = '2026-01-02T03:04:06Z';
    expect(
      await arrive({ sequence: 41, createdAt: '2999-01-01T00:00:00Z' }, { allowDowngrade: true }),
    ).toMatch(/^E_CLOCK/);
    expect(await arrive({ sequence: 41, createdAt: past })).toMatchObject({ outcome: 'published' });
  });

  test('a bundle that is newer needs no downgrade, and is not marked as one', async () => {
    const { to, arrive } = await receiver();
    await arrive({ sequence: 40 });
    expect(await arrive({ sequence: 41 }, { allowDowngrade: true })).toMatchObject({ warnings: [] });
    expect((await readVolume(to)).current?.origin.downgrade).toBeUndefined();
  });
});

describe('memory', () => {
  test('of one set does not hinder another', async () => {
    const { arrive } = await receiver();
    await arrive({ sequence: 40, set: 'edge' });
    expect(await arrive({ sequence: 1, set: 'auth' })).toMatchObject({ outcome: 'published' });
  });

  test('outlives a rollback to a kept release', async () => {
    const { to, arrive, current } = await receiver();
    await arrive({ sequence: 40 });
    await arrive({ sequence: 41 });
    await rollback(to, {}, { actor: thisActor() });
    expect(await current()).toEqual(['1.0.40']);
    expect(await arrive({ sequence: 40 })).toMatch(/^E_ROLLBACK/);
    expect(await arrive({ sequence: 41 })).toMatchObject({ outcome: 'published' });
  });

  test('is not touched by a bundle that nobody verified', async () => {
    const { arrive, state } = await receiver();
    await arrive({ sequence: 40 });
    await arrive({ sequence: 1_000_000 }, { trust: { insecureSkipSignature: true } });
    expect((await state()).sets).toMatchObject([{ sequence: 40 }]);
    expect(await arrive({ sequence: 41 })).toMatchObject({ outcome: 'published' });
  });

  test('reaches the clock: what was valid before the newest bundle is not valid again when the clock is set back', async () => {
    const { arrive } = await receiver({ ...oneOfEach('dev'), maxAgeDays: 10 });
    const clock = (text: string) => ({ clock: () => new Date(text) });
    await arrive({ sequence: 40, createdAt: '2026-03-01T00:00:00Z' }, clock('2026-03-01T12:00:00Z'));
    const old = { sequence: 41, createdAt: '2026-02-01T00:00:00Z' };
    expect(await arrive(old, clock('2026-02-02T00:00:00Z'))).toMatch(/^E_EXPIRED: .*too old/);
  });
});
