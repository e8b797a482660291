import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../src/errors.js';
import { sha256Of } from '../../src/stream/digest.js';
import type { Manifest } from '../../src/schema/manifest.js';
import type { SetPolicy } from '../../src/schema/trust.js';
import type { Check } from '../../src/trust/rule-result.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { cli, errorCode } from '../helpers/cli.js';
import { printed } from '../helpers/corpus.js';
import { tempDir } from '../helpers/temp.js';
import { oneOfEach, putStore, testKeys, type StoreParts } from '../helpers/trust.js';

/** A hop with a bundle that dev signed, a trust store, and the key of qa. */
async function hop({ manifest = {}, policy = {}, store = {} }: Difference) {
  const directory = await tempDir();
  const { dev, qa } = await testKeys('dev', 'qa');
  await qa.writeTo(directory);
  await dev.writeTo(directory);
  const parts = bundleParts([dev], undefined, (usual) => ({ ...usual, audience: ['prod'], ...manifest }));
  await put(directory, 'edge.tar.gz', tarGz(parts.entries));
  const both = { ...oneOfEach('dev', 'qa'), audience: 'prod', ...policy };
  const document = {
    keys: [
      { key: dev, role: 'dev' },
      { key: qa, role: 'qa' },
    ],
    sets: { edge: both },
    ...store,
  };
  await putStore(join(directory, 'trust'), document);
  const at = (name: string): string => join(directory, name);
  const sign = (...flags: string[]) =>
    run('sign', at('edge.tar.gz'), '--signing-key', at('qa.key'), '--allow-plain-key', ...flags);
  return { at, sign, sha256: sha256Of(parts.manifestBytes) };
}

async function run(...args: string[]) {
  const { exit, stdout } = await printed([...args, '--json']);
  const json = JSON.parse(stdout) as { error?: { code: string }; subject?: { checks: Check[] } };
  return { exit, code: json.error?.code, checks: json.subject?.checks ?? [] };
}

interface Difference {
  readonly manifest?: Partial<Manifest>;
  readonly policy?: Partial<SetPolicy>;
  readonly store?: Partial<StoreParts>;
}

describe('a hop countersigns nothing that the trust store refuses', () => {
  const rows: readonly [string, readonly [ErrorCode, number], Difference][] = [
    ['is expired', ['E_EXPIRED', 4], { manifest: { expiresAt: '2026-01-03T00:00:00Z' } }],
    ['is too old', ['E_EXPIRED', 4], { policy: { maxAgeDays: 1 } }],
    ['is from the future', ['E_CLOCK', 4], { manifest: { createdAt: '2999-01-01T00:00:00Z' } }],
    ['is for another environment', ['E_AUDIENCE', 4], { manifest: { audience: ['test'] } }],
    ['is of another epoch', ['E_EPOCH', 4], { policy: { epoch: 2 } }],
    ['is below the lowest sequence', ['E_ROLLBACK', 6], { policy: { minSequence: 8 } }],
    ['has a sequence that nothing can follow', ['E_SEQUENCE', 4], { manifest: { sequence: 2 ** 53 - 1 } }],
    ['is of a set that has no policy', ['E_POLICY_MISSING', 4], { manifest: { set: 'other' } }],
  ];
  test.each(rows)('that %s', async (_what, [code, exit], difference) => {
    const { at, sign } = await hop(difference);
    const before = await readFile(at('edge.tar.gz'));
    for (const flags of [[], ['--detached', '-o', at('qa.sig')], ['-o', at('out.zip')]]) {
      expect(await sign('--trust', at('trust'), ...flags)).toMatchObject({ exit, code });
    }
    expect(await readFile(at('edge.tar.gz'))).toEqual(before);
    for (const name of ['qa.sig', 'out.zip']) await expect(readFile(at(name))).rejects.toThrow();
  });

  test('that is revoked, by the binary', async () => {
    const { at, sha256 } = await hop({});
    expect((await cli(['trust', 'revoke-bundle', at('trust'), sha256])).code).toBe(0);
    const signing = ['--signing-key', at('qa.key'), '--allow-plain-key', '--trust', at('trust')];
    const refused = await cli(['sign', at('edge.tar.gz'), ...signing, '--json']);
    expect([refused.code, errorCode(refused)]).toEqual([4, 'E_BUNDLE_REVOKED']);
  });

  test('nor, with a bare key or with nobody named, what nobody will take', async () => {
    const end = 2 ** 53 - 1;
    for (const manifest of [{ expiresAt: '2026-01-03T00:00:00Z' }, { sequence: end }, { epoch: end }]) {
      const { at, sign } = await hop({ manifest });
      const before = await readFile(at('edge.tar.gz'));
      for (const flags of [['--public-key', at('dev.pub')], []]) expect((await sign(...flags)).exit).toBe(4);
      expect(await readFile(at('edge.tar.gz'))).toEqual(before);
    }
  });

  test('but does not ask for the signatures that are still to come, and says so', async () => {
    const { at, sign } = await hop({});
    const { exit, checks } = await sign('--trust', at('trust'));
    expect(exit).toBe(0);
    expect(Object.fromEntries(checks.map(({ check, result }) => [check, result]))).toMatchObject({
      signature: 'passed',
      revocation: 'passed',
      'role dev': 'skipped',
      'role qa': 'skipped',
      audience: 'passed',
      expiry: 'passed',
    });
  });
});
