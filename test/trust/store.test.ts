import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import {
  addTrustedKey,
  dismissTrustedKey,
  initTrust,
  listTrust,
  openTrustStore,
  revokeBundle,
  setRootThreshold,
  setTrustPolicy,
} from '../../src/operations/trust-store.js';
import { verifyBundle } from '../../src/operations/verify.js';
import { documentBytes } from '../../src/schema/parse.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { binary } from '../helpers/cli.js';
import { printed } from '../helpers/corpus.js';
import type { TestKey } from '../helpers/keys.js';
import { expectNoSecret } from '../helpers/secrets.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { oneOfEach, putStore, testKeys } from '../helpers/trust.js';

let dev: TestKey;
let qa: TestKey;
beforeAll(async () => {
  ({ dev, qa } = await testKeys('dev', 'qa'));
});

const codeOf = async (action: Promise<unknown>): Promise<string> =>
  action.then(
    () => 'accepted',
    (error: unknown) => (isPlugferryError(error) ? error.code : `not ours: ${String(error)}`),
  );

const usual = () => ({ keys: [{ key: dev, role: 'dev' }], sets: { edge: oneOfEach('dev') } });

describe('the commands', () => {
  test('make a store from nothing that takes a bundle, and then no more', async () => {
    const directory = await tempDir();
    const store = join(directory, 'trust');
    const { pub } = await dev.writeTo(directory);
    const bundle = await put(directory, 'edge.tar.gz', tarGz(bundleParts([dev]).entries));
    const run = async (...line: string[]): Promise<number> => {
      const { exit, stderr } = await printed(line);
      expect(stderr).not.toContain('E_INTERNAL');
      return exit;
    };
    const verify = () => run('verify', bundle, '--trust', store);
    expect(await verify()).toBe(4);
    expect(await run('trust', 'init', store, '--root-threshold', '2')).toBe(0);
    expect(await verify()).toBe(4);
    expect(await run('trust', 'add', store, pub, '--name', 'dev-2026', '--role', 'dev')).toBe(0);
    expect(await verify()).toBe(4);
    expect(await run('trust', 'set', store, 'edge', '--require', 'dev=1', '--max-age-days', '36500')).toBe(0);
    expect(await verify()).toBe(0);
    expect(await run('trust', 'set', store, 'edge', '--audience', 'prod', '--allow-downgrade')).toBe(0);
    expect(await verify()).toBe(4);
    const { sets, version, rootThreshold, warnings } = await listTrust(store);
    expect(sets).toEqual({
      edge: { ...oneOfEach('dev'), maxAgeDays: 36_500, audience: 'prod', allowDowngrade: true },
    });
    expect([version, rootThreshold, warnings]).toEqual([4, 2, []]);
    expect(
      await run('trust', 'set', store, 'edge', '--no-allow-downgrade', '--epoch', '3', '--min-sequence', '9'),
    ).toBe(0);
    expect((await listTrust(store)).sets['edge']).toMatchObject({
      allowDowngrade: false,
      epoch: 3,
      minSequence: 9,
    });
    expect(await run('trust', 'retire', store, 'dev-2026')).toBe(0);
    expect(await run('trust', 'revoke', store, dev.keyId.slice(0, 8))).toBe(0);
    expect(await run('trust', 'revoke-bundle', store, `sha256:${'0'.repeat(64)}`)).toBe(0);
    expect(await run('trust', 'roots', store, '--threshold', '1')).toBe(0);
    expect(await run('trust', 'list', store, '--json')).toBe(0);
    const listing = await listTrust(store);
    expect(listing.keys).toMatchObject([{ name: 'dev-2026', role: 'dev', standing: 'revoked' }]);
    expect(listing.revokedManifests).toEqual(['0'.repeat(64)]);
    expect(listing.warnings).toEqual([expect.stringContaining('set edge needs 1 of role dev, but 0')]);
  });

  test.each([
    ['a threshold of zero', ['set', 'edge', '--require', 'dev=0']],
    ['a threshold that is no number', ['set', 'edge', '--require', 'dev']],
    ['a new policy that says nothing', ['set', 'edge', '--audience', 'prod']],
    ['a role twice', ['set', 'edge', '--require', 'dev=1,dev=2']],
    ['a set name that is none', ['set', '../edge', '--require', 'dev=1']],
    ['no days at all', ['set', 'edge', '--require', 'dev=1', '--max-age-days', '0']],
    ['a root threshold of zero', ['roots', '--threshold', '0']],
    ['a digest that is none', ['revoke-bundle', 'sha256:abc']],
    ['a key that there is not', ['revoke', 'nobody']],
    ['the first letters of a key', ['revoke', 'a']],
  ])('refuse %s and change nothing', async (_what, [verb = '', ...rest]) => {
    const directory = await tempDir();
    await putStore(directory, { keys: [{ key: dev, role: 'dev' }] });
    const before = await treeOf(directory);
    const { exit } = await printed(['trust', verb, directory, ...rest]);
    expect(exit).toBe(2);
    expect(await treeOf(directory)).toEqual(before);
  });

  test('add refuses dates that leave no time, a name or key twice, and a revoked key for ever', async () => {
    const directory = await tempDir();
    const store = await putStore(join(directory, 'trust'), usual());
    const { pub } = await dev.writeTo(directory);
    const { pub: other } = await qa.writeTo(directory);
    const add = (file: string, name: string, ...more: string[]) =>
      printed(['trust', 'add', store, file, '--name', name, '--role', 'dev', ...more]);
    expect((await add(pub, 'again')).exit).toBe(6);
    expect((await add(pub, 'dev-27', '--force', '--not-after', '2027-06-30')).exit).toBe(0);
    expect((await listTrust(store)).keys).toMatchObject([
      { name: 'dev-27', notAfter: '2027-06-30T23:59:59Z' },
    ]);
    expect((await add(other, 'dev-27')).exit).toBe(6);
    const never = ['--not-before', '2027-01-02', '--not-after', '2027-01-01'];
    expect((await add(other, 'other', ...never)).exit).toBe(2);
    for (const date of ['2027-02-30', '30.06.2027', '2027-06-30T24:00:00Z', '']) {
      expect((await add(other, 'other', '--not-after', date)).exit).toBe(2);
    }
    await dismissTrustedKey(store, 'dev-27', 'revoked');
    expect((await add(pub, 'dev-27', '--force')).exit).toBe(4);
    expect(await codeOf(dismissTrustedKey(store, 'dev-27', 'retired'))).toBe('E_KEY_REVOKED');
  });

  test('init does not replace a store', async () => {
    const directory = await tempDir();
    await putStore(directory, usual());
    expect(await codeOf(initTrust(directory))).toBe('E_EXISTS');
  });

  test('an edit takes away root signatures, which fit no more', async () => {
    const directory = await tempDir();
    await putStore(directory, { keys: [{ key: qa, role: 'root' }] }, [qa]);
    expect(await readdir(directory)).toContain(`${qa.keyId}.sig`);
    await setTrustPolicy(directory, 'edge', oneOfEach('dev'));
    expect((await readdir(directory)).sort()).toEqual([`${qa.keyId}.pub`, 'trust.json'].sort());
  });

  test('what they write is what the schema and stock openssl understand', async () => {
    const directory = await tempDir();
    const store = join(directory, 'trust');
    await initTrust(store);
    const { pub } = await dev.writeTo(directory);
    await addTrustedKey(store, { publicKeyFile: pub, name: 'dev', role: 'dev' });
    await revokeBundle(store, 'b'.repeat(64));
    await revokeBundle(store, 'a'.repeat(64));
    await revokeBundle(store, 'a'.repeat(64));
    await setRootThreshold(store, 3);
    const read = await openTrustStore(store);
    expect(read.document.revokedManifests).toEqual(['a'.repeat(64), 'b'.repeat(64)]);
    expect(documentBytes(read.document)).toEqual(await readFile(join(store, 'trust.json')));
    const der = execFileSync('openssl', [
      'pkey',
      '-pubin',
      '-in',
      join(store, `${dev.keyId}.pub`),
      '-outform',
      'DER',
    ]);
    expect(execFileSync('sha256sum', { input: der }).toString().slice(0, 64)).toBe(dev.keyId);
  });
});

describe('a store is refused', () => {
  const bytes = (change: (text: string) => string) => async (directory: string) => {
    const file = join(directory, 'trust.json');
    await writeFile(file, change(await readFile(file, 'utf8')));
  };

  test.each<[string, string, (directory: string) => Promise<unknown>]>([
    ['that is not there', 'E_TRUST_MISSING', (directory) => rm(directory, { recursive: true })],
    ['without trust.json', 'E_TRUST_MISSING', (directory) => rm(join(directory, 'trust.json'))],
    [
      'whose trust.json is a directory',
      'E_TRUST_MISSING',
      async (directory) => {
        await rm(join(directory, 'trust.json'));
        await mkdir(join(directory, 'trust.json'));
      },
    ],
    ['without a key file', 'E_TRUST_STORE', (directory) => rm(join(directory, `${dev.keyId}.pub`))],
    [
      'with another key in a key file',
      'E_TRUST_STORE',
      (directory) => writeFile(join(directory, `${dev.keyId}.pub`), qa.publicPem),
    ],
    [
      'with a private key in a key file',
      'E_TRUST_STORE',
      (directory) => writeFile(join(directory, `${dev.keyId}.pub`), dev.privatePem),
    ],
    ['that is empty', 'E_TRUST_STORE', bytes(() => '')],
    ['that is not canonical', 'E_TRUST_STORE', bytes((text) => `${text} `)],
    [
      'that names a field twice',
      'E_TRUST_STORE',
      bytes((text) => text.replace('"version": 1,', '"version": 9,\n  "version": 1,')),
    ],
    [
      'with a field too many',
      'E_TRUST_STORE',
      bytes((text) => text.replace('"version": 1,', '"version": 1,\n  "also": 1,')),
    ],
    ['of another type', 'E_TRUST_STORE', bytes((text) => text.replace('trust/v1', 'trust/v2'))],
    [
      'with a threshold of zero',
      'E_TRUST_STORE',
      bytes((text) => text.replace('"threshold": 1', '"threshold": 0')),
    ],
    [
      'with an empty policy',
      'E_TRUST_STORE',
      bytes((text) => text.replace(/"require": \[[^\]]*\]/, '"require": []')),
    ],
    ['with a set called __proto__', 'E_TRUST_STORE', bytes((text) => text.replace('"edge"', '"__proto__"'))],
    [
      'with a date that is none',
      'E_TRUST_STORE',
      bytes((text) =>
        text.replace('"status": "active"', '"status": "active",\n      "notAfter": "2026-13-01T00:00:00Z"'),
      ),
    ],
    ...[
      ['30 February', '2036-02-30T00:00:00Z'],
      ['29 February of no leap year', '2035-02-29T23:59:59Z'],
      ['31 April', '2036-04-31T00:00:00Z'],
      ['day 0', '2036-04-00T00:00:00Z'],
      ['24 o’clock', '2036-02-28T24:00:00Z'],
      ['minute 60', '2036-02-28T23:60:00Z'],
      ['a leap second', '2036-12-31T23:59:60Z'],
      ['a year of five digits', '+012036-01-01T00:00:00Z'],
      ['a fraction', '2036-01-01T00:00:00.000Z'],
      ['a place', '2036-01-01T00:00:00+00:00'],
    ].flatMap(([name, time]) =>
      ['notBefore', 'notAfter'].map((field): [string, string, (directory: string) => Promise<unknown>] => [
        `with ${name} as ${field}`,
        'E_TRUST_STORE',
        bytes((text) =>
          text.replace('"status": "active"', `"status": "active",\n      "${field}": "${time}"`),
        ),
      ]),
    ),
    ...(
      [
        ['that do not ascend', ['b', 'a']],
        ['of which one stands there twice', ['a', 'a']],
        ['of which the last is out of order', ['a', 'c', 'b']],
      ] as const
    ).map(([name, digits]): [string, string, (directory: string) => Promise<unknown>] => [
      `with revoked bundles ${name}`,
      'E_TRUST_STORE',
      bytes((text) => {
        const digests = digits.map((digit) => digit.repeat(64));
        return text.replace(
          '"revokedManifests": []',
          `"revokedManifests": ${JSON.stringify(digests, null, 2).replaceAll('\n', '\n  ')}`,
        );
      }),
    ]),
    [
      'whose trust.json others may write',
      'E_TRUST_STORE',
      (directory) => chmod(join(directory, 'trust.json'), 0o664),
    ],
    [
      'whose key file others may write',
      'E_TRUST_STORE',
      (directory) => chmod(join(directory, `${dev.keyId}.pub`), 0o646),
    ],
    ['whose directory others may write', 'E_TRUST_STORE', (directory) => chmod(directory, 0o777)],
    ['whose directory is shared like /tmp', 'E_TRUST_STORE', (directory) => chmod(directory, 0o1777)],
    [
      'whose trust.json is a link to where others may write',
      'E_TRUST_STORE',
      async (directory) => {
        const shared = join(directory, '..', 'shared');
        await mkdir(shared);
        await rename(join(directory, 'trust.json'), join(shared, 'trust.json'));
        await symlink('../shared/trust.json', join(directory, 'trust.json'));
        await chmod(shared, 0o777);
      },
    ],
  ])('%s', async (_what, code, spoil) => {
    const store = await putStore(join(await tempDir(), 'trust'), usual());
    expect(await codeOf(openTrustStore(store))).toBe('accepted');
    await spoil(store);
    expect(await codeOf(openTrustStore(store))).toBe(code);
  });

  test('with a day that is none also by the program, and with one that is by nobody', async () => {
    const store = await putStore(join(await tempDir(), 'trust'), usual());
    const file = join(store, 'trust.json');
    const text = await readFile(file, 'utf8');
    for (const [time, code] of [
      ['2036-02-30T00:00:00Z', 4],
      ['2036-02-29T23:59:59Z', 0],
    ] as const) {
      await writeFile(
        file,
        text.replace('"status": "active"', `"status": "active",\n      "notAfter": "${time}"`),
      );
      const { exit, stdout } = await printed(['trust', 'list', store, '--json']);
      expect([exit, stdout.includes('is not a time that there is')]).toEqual([code, code !== 0]);
    }
  });

  const isRoot = process.getuid?.() === 0;
  test.runIf(isRoot)('that a stranger owns', async () => {
    const store = await putStore(join(await tempDir(), 'trust'), usual());
    await chown(join(store, 'trust.json'), 12_345, 12_345);
    expect(await codeOf(openTrustStore(store))).toBe('E_TRUST_STORE');
  });

  test('without any policy, whatever the bundle', async () => {
    const directory = await tempDir();
    const store = await openTrustStore(await putStore(join(directory, 'trust'), { keys: usual().keys }));
    const bundle = await put(directory, 'edge.tar.gz', tarGz(bundleParts([dev]).entries));
    expect(await codeOf(verifyBundle({ bundle, trust: { store } }))).toBe('E_POLICY_MISSING');
  });

  test('without any key, before anything is parsed', async () => {
    const directory = await tempDir();
    const store = await openTrustStore(await putStore(join(directory, 'trust'), { keys: [] }));
    const bundle = await put(directory, 'edge.tar.gz', tarGz(bundleParts([dev]).entries));
    expect(await codeOf(verifyBundle({ bundle, trust: { store } }))).toBe('E_TRUST_MISSING');
  });
});

/** As the kubelet lays out a ConfigMap: links to ..data, which is a link to the newest directory. */
async function configMap(directory: string): Promise<string> {
  const mount = join(directory, 'mounted');
  const version = join(mount, '..2026_02_01');
  await mkdir(mount);
  await putStore(version, usual());
  await symlink('..2026_02_01', join(mount, '..data'));
  for (const name of await readdir(version)) await symlink(`..data/${name}`, join(mount, name));
  return mount;
}

describe('a ConfigMap mount', () => {
  test('is read through its links, also while it is replaced', async () => {
    const mount = await configMap(await tempDir());
    expect((await openTrustStore(mount)).keys).toHaveLength(1);
    const next = join(mount, '..2026_02_02');
    await putStore(next, { ...usual(), version: 2, keys: [...usual().keys, { key: qa, role: 'qa' }] });
    await symlink(`..data/${qa.keyId}.pub`, join(mount, `${qa.keyId}.pub`));
    await symlink('..2026_02_02', join(mount, '..data_tmp'));
    await rename(join(mount, '..data_tmp'), join(mount, '..data'));
    await rm(join(mount, '..2026_02_01'), { recursive: true });
    const { document, keys } = await openTrustStore(mount);
    expect([document.version, keys.length]).toEqual([2, 2]);
  });

  // Only root may mount, and only where a container lets it.
  const canMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;
  test.runIf(canMount)('has mode 0777, which does not matter when it is read-only', async () => {
    const directory = await tempDir();
    const mount = await configMap(directory);
    const bundle = await put(directory, 'edge.tar.gz', tarGz(bundleParts([dev]).entries));
    for (const path of [mount, join(mount, '..2026_02_01')]) await chmod(path, 0o777);
    expect(await codeOf(openTrustStore(mount))).toBe('E_TRUST_STORE');
    const script =
      `mount --bind '${mount}' '${mount}' && mount -o remount,bind,ro '${mount}' && ` +
      `exec '${process.execPath}' '${binary}' verify '${bundle}' --trust '${mount}' --json`;
    const { status, stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script]);
    expectNoSecret(Buffer.concat([stdout, stderr]).toString(), 'plugferry verify');
    expect([status, (JSON.parse(stdout.toString()) as { verified: boolean }).verified]).toEqual([0, true]);
  });
});
