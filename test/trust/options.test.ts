import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { printed } from '../helpers/corpus.js';
import type { TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { oneOfEach, putStore, testKeys } from '../helpers/trust.js';

let dev: TestKey;
let qa: TestKey;
beforeAll(async () => {
  ({ dev, qa } = await testKeys('dev', 'qa'));
});

/** A directory with keys, a store that asks for dev and qa, and a bundle that dev signed. */
async function workplace() {
  const directory = await tempDir();
  const at = (name: string): string => join(directory, name);
  await dev.writeTo(directory);
  await qa.writeTo(directory);
  await putStore(at('trust'), {
    keys: [
      { key: dev, role: 'dev', name: 'dev-2026' },
      { key: qa, role: 'qa', name: 'qa-2026' },
    ],
    sets: { edge: oneOfEach('dev', 'qa') },
  });
  await put(directory, 'edge.tar.gz', tarGz(bundleParts([dev]).entries));
  return { directory, at };
}

async function run(...args: string[]) {
  const { exit, stdout, stderr } = await printed([...args, '--json']);
  const json = JSON.parse(stdout) as { error?: { code: string; details: unknown } } & Record<string, unknown>;
  return { exit, json, code: json.error?.code, stderr };
}

describe('whom to trust', () => {
  test('may stand in the environment', async () => {
    const { at } = await workplace();
    vi.stubEnv('PLUGFERRY_TRUST', at('trust'));
    expect((await run('verify', at('edge.tar.gz'))).code).toBe('E_POLICY');
    vi.stubEnv('PLUGFERRY_TRUST', at('trust'));
    expect((await run('import', at('edge.tar.gz'), '--to', at('v'))).code).toBe('E_POLICY');
    // Nobody gets past it with a key or a switch on the command line.
    for (const way of [['--public-key', at('dev.pub')], ['--insecure-skip-signature']]) {
      vi.stubEnv('PLUGFERRY_TRUST', at('trust'));
      expect((await run('verify', at('edge.tar.gz'), ...way)).code).toBe('E_USAGE');
    }
  });

  test('is asked for where nothing says it', async () => {
    const { at } = await workplace();
    expect((await run('verify', at('edge.tar.gz'))).code).toBe('E_TRUST_MISSING');
    expect((await run('verify', at('edge.tar.gz'), '--trust', at('nowhere'))).code).toBe('E_TRUST_MISSING');
  });

  test('verify lists every check with its result, and a refusal does, too', async () => {
    const { at } = await workplace();
    const refused = await run('verify', at('edge.tar.gz'), '--trust', at('trust'));
    const results = [
      { check: 'signature', result: 'passed', detail: expect.stringContaining('dev-2026 (dev, ') },
      { check: 'revocation', result: 'passed' },
      { check: 'policy', result: 'passed' },
      { check: 'role dev', result: 'passed' },
      { check: 'role qa', result: 'failed', detail: expect.stringContaining('1 signature of role qa') },
      { check: 'creation time', result: 'passed' },
      { check: 'expiry', result: 'passed' },
    ];
    expect(refused.json.error?.details).toMatchObject({ checks: results });
    expect(refused.stderr).toMatch(/^CHECK +RESULT +DETAIL\n.*^role qa +FAILED +set "edge" needs/ms);
    await run('sign', at('edge.tar.gz'), '--signing-key', at('qa.key'), '--allow-plain-key');
    const { json } = await run('verify', at('edge.tar.gz'), '--trust', at('trust'));
    expect(json['verified']).toBe(true);
    expect((json['checks'] as { check: string }[]).map(({ check }) => check)).toEqual([
      ...['signature', 'signature', 'revocation', 'policy', 'role dev', 'role qa'],
      ...['creation time', 'expiry', 'payload'],
    ]);
    const text = await printed(['verify', at('edge.tar.gz'), '--trust', at('trust')]);
    expect(text.stdout).toMatch(/^role qa +passed +1 of 1: qa-2026 \(qa, [0-9a-f]{16}\)$/m);
  });

  test('a damaged payload is the check that failed', async () => {
    const { directory, at } = await workplace();
    const { entries } = bundleParts([dev]);
    await put(directory, 'bad.tar.gz', tarGz(entries.slice(0, -1)));
    const { json } = await run('verify', at('bad.tar.gz'), '--public-key', at('dev.pub'));
    const { checks } = json.error?.details as { checks: { check: string; result: string }[] };
    expect(checks.at(-1)).toMatchObject({ check: 'payload', result: 'failed' });
  });
});

describe('sign', () => {
  test.each<[string, string[]]>([
    ['nothing to sign with', []],
    ['two ways to sign', ['--signing-key', 'a.key', '--sign-command', 'true']],
    ['a foreign signature of nobody in particular', ['--signature', 'a.sig']],
    ['a command of nobody in particular', ['--sign-command', 'true']],
  ])('refuses %s', async (_what, flags) => {
    const { at } = await workplace();
    expect((await run('sign', at('edge.tar.gz'), ...flags)).code).toBe('E_USAGE');
  });

  test('shows the countersigner what was signed, and whose signature was there before', async () => {
    const { at } = await workplace();
    const key = ['--signing-key', at('qa.key'), '--allow-plain-key'];
    const { stdout } = await printed(['sign', at('edge.tar.gz'), ...key, '--public-key', at('dev.pub')]);
    expect(stdout).toMatch(/^set: +edge, epoch 1, sequence 7$/m);
    expect(stdout).toMatch(/^waf +2\.0\.0 /m);
    expect(stdout).toMatch(
      new RegExp(`^earlier signer: ${dev.keyId} \\(.*dev\\.pub\\), signature checked$`, 'm'),
    );
    const again = await printed(['sign', at('edge.tar.gz'), ...key]);
    expect(again.stdout).toMatch(new RegExp(`^earlier signer: ${dev.keyId} by its own claim`, 'm'));
  });
});

describe('export', () => {
  test('gives a bundle its end and its epoch, which hold with a bare key, too', async () => {
    const { directory, at } = await workplace();
    await mkdir(at('source'));
    await tinyTree(at('source'), { 'waf@1.0.0': 'a' });
    const exported = (...flags: string[]) => {
      const key = ['--signing-key', at('dev.key'), '--allow-plain-key'];
      return run('export', at('source'), '-o', join(directory, 'out.tar.gz'), '--force', ...key, ...flags);
    };
    const verified = async () => (await run('verify', at('out.tar.gz'), '--public-key', at('dev.pub'))).code;
    const manifest = async () => (await run('inspect', at('out.tar.gz'))).json['manifest'];
    vi.stubEnv('SOURCE_DATE_EPOCH', '1767323045');
    await exported('--expires-in', '12h', '--epoch', '3');
    expect(await manifest()).toMatchObject({ epoch: 3, expiresAt: '2026-01-02T15:04:05Z' });
    expect(await verified()).toBe('E_EXPIRED');
    vi.stubEnv('SOURCE_DATE_EPOCH', '1767323045');
    await exported('--expires-at', '2999-12-31');
    expect(await manifest()).toMatchObject({ epoch: 1, expiresAt: '2999-12-31T23:59:59Z' });
    expect(await verified()).toBeUndefined();
    for (const flags of [
      ['--expires-at', '2026-01-01'],
      ['--expires-in', '90'],
      ['--expires-in', '0d'],
      ['--expires-in', '90d', '--expires-at', '2999-12-31'],
      ['--expires-at', 'tomorrow'],
    ]) {
      vi.stubEnv('SOURCE_DATE_EPOCH', '1767323045');
      expect([flags, (await exported(...flags)).code]).toEqual([flags, 'E_USAGE']);
    }
  });
});

test('import passes --allow-downgrade on, and says what came of it', async () => {
  const { directory, at } = await workplace();
  await put(
    directory,
    'old.tar.gz',
    tarGz(bundleParts([dev], undefined, (m) => ({ ...m, sequence: 6 })).entries),
  );
  const into = (name: string, ...flags: string[]) =>
    run('import', at(name), '--to', at('volume'), '--public-key', at('dev.pub'), ...flags);
  expect((await into('edge.tar.gz')).exit).toBe(0);
  const refused = await into('old.tar.gz');
  expect([refused.exit, refused.code]).toEqual([6, 'E_ROLLBACK']);
  const { exit, stderr } = await into('old.tar.gz', '--allow-downgrade');
  expect([exit, stderr]).toEqual([0, expect.stringMatching(/^warning: downgrade of set edge /m)]);
});
