import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Trust } from '../../src/verification/authenticate.js';
import { configMapsInDirectory } from '../../src/location/configmap-target.js';
import { isPlugferryError } from '../../src/errors.js';
import { importBundle, type ImportOptions } from '../../src/operations/import.js';
import { highestSequence, maxEpoch } from '../../src/plugin/numbering.js';
import type { Manifest } from '../../src/schema/manifest.js';
import { documentBytes } from '../../src/schema/parse.js';
import type { SetPolicy } from '../../src/schema/trust.js';
import type { State } from '../../src/schema/state.js';
import { readVolume } from '../../src/volume/read.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { printed } from '../helpers/corpus.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { oneOfEach, putStore, storeIn } from '../helpers/trust.js';

const last = Number.MAX_SAFE_INTEGER;
const now = new Date('2026-06-01T00:00:00Z');
let dev: TestKey;
beforeAll(async () => {
  dev = await testKey('dev');
});

/** A volume, to which bundles come that differ in their numbers. */
async function receiver() {
  const directory = await tempDir();
  const to = join(directory, 'volume');
  const keysOnly: Trust = { publicKeys: [dev.trusted] };
  const withPolicy = async (policy: Partial<SetPolicy>): Promise<Trust> => ({
    store: await storeIn(await tempDir(), {
      keys: [{ key: dev, role: 'dev' }],
      sets: { edge: { ...oneOfEach('dev'), ...policy } },
    }),
  });
  const arrive = async (
    fields: Partial<Manifest>,
    trust: Trust = keysOnly,
    options: Partial<ImportOptions> = {},
  ): Promise<string> => {
    const version = `${fields.epoch ?? 1}.0.${fields.sequence ?? 0}`;
    const { entries } = bundleParts([dev], [{ name: 'waf', version }], (usual) => ({ ...usual, ...fields }));
    const bundle = await put(directory, 'b.tar.gz', tarGz(entries));
    try {
      const { outcome } = await importBundle({
        bundle,
        to,
        trust,
        mode: 'replace',
        clock: () => now,
        ...options,
      });
      return outcome;
    } catch (error) {
      if (!isPlugferryError(error)) throw error;
      return `${error.code}: ${error.message}\n${error.hint ?? ''}`;
    }
  };
  const seen = async () => (await readVolume(to)).state.sets.map(({ epoch, sequence }) => [epoch, sequence]);
  /** What an earlier version took and remembers. */
  const remember = async (epoch: number, sequence: number): Promise<void> => {
    const file = join(to, '.plugferry/state.json');
    const state = JSON.parse(await readFile(file, 'utf8')) as State;
    await writeFile(
      file,
      documentBytes({ ...state, sets: state.sets.map((set) => ({ ...set, epoch, sequence })) }),
    );
  };
  return { to, arrive, withPolicy, seen, remember };
}

describe('how high numbers may be', () => {
  test('a sequence is at most ten years of seconds ahead of the clock', async () => {
    const { arrive, seen } = await receiver();
    const highest = highestSequence(now);
    expect(highest).toBeGreaterThan(Date.parse('2036-05-31T00:00:00Z') / 1000);
    for (const sequence of [highest + 1, 3_000_000_000, last])
      expect(await arrive({ sequence })).toMatch(/^E_SEQUENCE: .*10 years/);
    await expect(seen()).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    for (const sequence of [0, 1, 2, 3, 1_780_000_000, highest])
      expect(await arrive({ sequence })).toBe('published');
  });

  test('what was signed at the very bound is followed a second later', async () => {
    const { arrive } = await receiver();
    expect(await arrive({ sequence: highestSequence(now) })).toBe('published');
    const later = new Date(now.getTime() + 1000);
    expect(await arrive({ sequence: highestSequence(later) }, undefined, { clock: () => later })).toBe(
      'published',
    );
  });

  test('unless the policy says so, which may also say less', async () => {
    const { arrive, withPolicy } = await receiver();
    const dated = await withPolicy({ maxSequence: 20_991_231_999 });
    expect(await arrive({ sequence: 20_260_601_001 }, dated)).toBe('published');
    expect(await arrive({ sequence: 20_991_232_000 }, dated)).toMatch(/^E_SEQUENCE: .*trust store/);
    expect(await arrive({ sequence: 20_260_601_002 })).toMatch(/^E_SEQUENCE/);
    const counted = await withPolicy({ maxSequence: 1000 });
    expect(await arrive({ sequence: 1001, set: 'edge' }, counted)).toMatch(/^E_SEQUENCE/);
  });

  test('an epoch is the one seen already, or 1, unless the policy names it', async () => {
    const { arrive, withPolicy, seen } = await receiver();
    expect(await arrive({ epoch: 2, sequence: 1 })).toMatch(/^E_EPOCH: .*epoch 2.*epoch 1/);
    expect(await arrive({ sequence: 40 })).toBe('published');
    for (const epoch of [2, 3, maxEpoch, maxEpoch + 1, last])
      expect(await arrive({ epoch, sequence: 41 })).toMatch(/^E_EPOCH/);
    expect(await arrive({ epoch: 2, sequence: 1 }, undefined, { allowDowngrade: true })).toMatch(/^E_EPOCH/);
    expect(await seen()).toEqual([[1, 40]]);
    expect(await arrive({ epoch: 2, sequence: 5 }, await withPolicy({ epoch: 2 }))).toBe('published');
    // What the root began is known here from now on.
    expect(await arrive({ epoch: 2, sequence: 6 })).toBe('published');
    expect(await arrive({ epoch: 2, sequence: 5 })).toMatch(/^E_ROLLBACK/);
    expect(await arrive({ epoch: 1, sequence: 50 })).toMatch(/^E_ROLLBACK/);
    expect(await arrive({ epoch: 3, sequence: 1 })).toMatch(/^E_EPOCH/);
    expect(await seen()).toEqual([[2, 6]]);
  });

  test('no policy names an epoch that is beyond the last, and no bundle has one', async () => {
    const { arrive, withPolicy } = await receiver();
    expect(await arrive({ epoch: last, sequence: 1 }, await withPolicy({ epoch: last }))).toMatch(/^E_EPOCH/);
  });
});

describe('a floor that an earlier version let rise too high', () => {
  test.each([
    ['the last of all sequences', 1, last],
    ['the last of all epochs', last, last],
    ['an epoch beyond the last', maxEpoch + 1, 3],
  ])(
    '%s: is got over by an epoch that the policy names, and by nothing else',
    async (_what, epoch, sequence) => {
      const { arrive, withPolicy, remember, seen } = await receiver();
      expect(await arrive({ sequence: 40 })).toBe('published');
      await remember(epoch, sequence);
      const refusal = await arrive({ sequence: 41 });
      expect(refusal).toMatch(/^E_ROLLBACK: .*nothing .*follows it/);
      expect(refusal).not.toContain('needed is a higher');
      // Whoever can only sign cannot lower it.
      for (const trust of [undefined, await withPolicy({})]) {
        expect(await arrive({ sequence: 42 }, trust)).toMatch(/^E_ROLLBACK/);
        expect(await arrive({ epoch: 2, sequence: 42 }, trust)).toMatch(/^E_(ROLLBACK|EPOCH)/);
      }
      expect(await seen()).toEqual([[epoch, sequence]]);
      const root = await withPolicy({ epoch: 2 });
      expect(refusal).toMatch(/--epoch 2\b/);
      expect(await arrive({ epoch: 2, sequence: 6 }, root)).toBe('published');
      expect(await seen()).toEqual([[2, 6]]);
      // From here on all is as ever, with the policy and without.
      expect(await arrive({ epoch: 2, sequence: 5 }, root)).toMatch(/^E_ROLLBACK: .*higher sequence than 6/);
      expect(await arrive({ epoch: 2, sequence: 7 })).toBe('published');
      expect(await arrive({ epoch: 1, sequence: last - 1 })).toMatch(/^E_(ROLLBACK|SEQUENCE)/);
    },
  );

  test('a downgrade past it is taken once, and leaves it where it is', async () => {
    const { arrive, remember, seen } = await receiver();
    expect(await arrive({ sequence: 40 })).toBe('published');
    await remember(last, last);
    expect(await arrive({ sequence: 41 }, undefined, { allowDowngrade: true })).toBe('published');
    expect(await seen()).toEqual([[last, last]]);
    expect(await arrive({ sequence: 42 })).toMatch(/^E_ROLLBACK/);
  });

  test('a policy that lags behind does not bring back an epoch that was shut out', async () => {
    const { arrive, withPolicy, seen } = await receiver();
    expect(await arrive({ epoch: 3, sequence: 1 }, await withPolicy({ epoch: 3 }))).toBe('published');
    const lagging = await withPolicy({ epoch: 2 });
    expect(await arrive({ epoch: 2, sequence: 50 }, lagging)).toMatch(/^E_ROLLBACK: [^\n]*\n.*--epoch 4\b/s);
    expect(await seen()).toEqual([[3, 1]]);
  });
});

async function run(...args: string[]) {
  const { exit, stdout } = await printed([...args, '--json']);
  const { error } = JSON.parse(stdout) as { error?: { code: string; hint: string } };
  return { exit, code: error?.code, hint: error?.hint ?? '' };
}

test('in ConfigMaps it is the same', async () => {
  const { arrive, withPolicy } = await receiver();
  const directory = await tempDir();
  const to = { store: await configMapsInDirectory('configmap:ns/edge', directory) };
  const into = async (fields: Partial<Manifest>, policy?: Partial<SetPolicy>) =>
    arrive(fields, policy === undefined ? undefined : await withPolicy(policy), { to });
  expect(await into({ epoch: 2, sequence: 1 })).toMatch(/^E_EPOCH/);
  expect(await into({ sequence: last })).toMatch(/^E_SEQUENCE/);
  expect(await into({ sequence: highestSequence(now) })).toBe('published');
  expect(await into({ sequence: 41 })).toMatch(/^E_ROLLBACK: .*nothing .*follows it.*--epoch 2\b/s);
  expect(await into({ epoch: 2, sequence: 6 }, { epoch: 2 })).toBe('published');
  expect(await into({ epoch: 2, sequence: 5 }, { epoch: 2 })).toMatch(/^E_ROLLBACK/);
  expect(await into({ epoch: 2, sequence: 7 })).toBe('published');
});

describe('the hint can be followed, word by word', () => {
  test.each([
    ['with keys only', ['--public-key', 'dev.pub']],
    ['with a trust store', ['--trust', 'store']],
  ])('%s, at a volume', async (_what, [option = '', file = '']) => {
    const directory = await tempDir();
    const at = (name: string): string => join(directory, name);
    await dev.writeTo(directory);
    await mkdir(at('tree'));
    await tinyTree(at('tree'), { 'waf@1.0.0': 'a', 'waf@2.0.0': 'b' });
    await putStore(at('store'), { keys: [{ key: dev, role: 'dev' }], sets: { edge: oneOfEach('dev') } });
    const exported = async (name: string, ...rest: string[]): Promise<void> => {
      const signing = ['--signing-key', at('dev.key'), '--allow-plain-key'];
      expect(
        (await run('export', at('tree'), '-o', at(name), '--set', 'edge', ...signing, ...rest)).exit,
      ).toBe(0);
    };
    const arrived = (name: string, ...trust: string[]) =>
      run('import', at(name), '--to', at('volume'), ...(trust.length === 0 ? [option, at(file)] : trust));
    // The most that a stolen key can do now.
    await exported(
      'forward.tar.gz',
      '--sequence',
      String(highestSequence(new Date())),
      '--plugin',
      'waf@1.0.0',
    );
    expect((await arrived('forward.tar.gz')).exit).toBe(0);
    await exported('next.tar.gz');
    const { exit, code, hint } = await arrived('next.tar.gz');
    expect([exit, code]).toEqual([6, 'E_ROLLBACK']);
    // Two names only the reader knows: that of the sender's key, and the directory that it runs in.
    const here = (word: string): string =>
      word.replace('SENDER.pub', at('dev.pub')).replace('./trust', at('mine'));
    const commands = [...hint.matchAll(/plugferry (trust [^;&]*?)(?= &&|;|$)/g)].map(([, words = '']) =>
      words.split(' ').map(here),
    );
    expect(commands.length).toBe(option === '--trust' ? 1 : 3);
    for (const words of commands) expect([words, (await run(...words)).exit]).toEqual([words, 0]);
    const trust = /from then on give (--trust \S+)/.exec(hint)?.[1]?.split(' ').map(here) ?? [];
    const epoch = /exported again with (--epoch \d+)\.$/.exec(hint)?.[1]?.split(' ') ?? [];
    await exported('again.tar.gz', ...epoch);
    expect((await arrived('again.tar.gz', ...trust)).exit).toBe(0);
    // What was shut out stays out.
    expect((await arrived('forward.tar.gz', ...trust)).code).toBe('E_EPOCH');
    expect((await arrived('next.tar.gz', ...trust)).code).toBe('E_EPOCH');
  });
});

describe('who writes numbers', () => {
  test.each([
    ['--sequence', String(last)],
    ['--sequence', '3000000000'],
    ['--epoch', String(last)],
    ['--epoch', '10001'],
  ])('export %s %s is refused before anything is written', async (option, value) => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const output = join(directory, 'out.tar.gz');
    const { exit, code } = await run('export', directory, '-o', output, option, value);
    expect([exit, code]).toEqual([2, 'E_USAGE']);
    await expect(readFile(output)).rejects.toThrow();
  });

  test('a trust store names no epoch that cannot be, and no bounds that nothing fits', async () => {
    const directory = await tempDir();
    const store = join(directory, 'store');
    expect((await run('trust', 'init', store)).exit).toBe(0);
    const set = async (...rest: string[]) =>
      (await run('trust', 'set', store, 'edge', '--require', 'dev=1', ...rest)).exit;
    expect(await set('--epoch', String(maxEpoch + 1))).toBe(2);
    expect(await set('--min-sequence', '9', '--max-sequence', '8')).toBe(2);
    expect(await set('--epoch', String(maxEpoch), '--max-sequence', String(last))).toBe(0);
    // Receivers take it, so it can be made.
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const exported = async (...rest: string[]) => {
      const high = ['--set', 'edge', '--sequence', '20260601001', '--force'];
      return (await run('export', directory, '-o', join(directory, 'o.zip'), ...high, ...rest)).exit;
    };
    expect(await exported()).toBe(2);
    expect(await exported('--trust', store)).toBe(0);
  });
});
