import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { documentBytes } from '../../src/schema/parse.js';
import { sha256Of } from '../../src/stream/digest.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { secretKey } from '../helpers/secrets.js';
import {
  der,
  derOf,
  ecSpki,
  edSpki,
  hex,
  inForm,
  notBelowP,
  nothing,
  offTheEdwardsCurve,
  oids,
  pem,
  pointOf,
  smallOrder,
  spki,
} from '../helpers/spki.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { oneOfEach, putStore, trustDocument } from '../helpers/trust.js';

let dev: TestKey;
let qa: TestKey;
let ed: TestKey;
beforeAll(async () => {
  [dev, qa, ed] = await Promise.all([testKey('dev'), testKey('qa'), testKey('ed', 'ed25519')]);
});

const openssl = (args: readonly string[], input?: string | Buffer): string =>
  execFileSync('openssl', args, { input, stdio: ['pipe', 'pipe', 'pipe'] }).toString();

/** A public key spelled anew by stock openssl. */
const respelled = (key: TestKey, ...form: string[]): string =>
  openssl(['ec', '-pubin', ...form, '-pubout'], key.publicPem);

const edPoint = (): Buffer => derOf(ed.publicPem).subarray(-32);

/** A copy with some bytes at an offset replaced. */
const patched = (bytes: Buffer, at: number, text: string): Buffer =>
  Buffer.concat([bytes.subarray(0, at), hex(text), bytes.subarray(at + text.length / 2)]);

/** Every length of a value in two bytes more than it needs, as BER allows. */
const longLength = (content: Buffer): Buffer =>
  Buffer.concat([hex('30820000'.slice(0, 4)), Buffer.from([0, content.length]), content]);

/** Each is one key of somebody in a spelling that is not the one, or no key at all; and what the refusal says. */
const spellings: readonly (readonly [what: string, make: () => string | Buffer, says: string])[] = [
  ['compressed, by openssl', () => respelled(dev, '-conv_form', 'compressed'), 'compressed'],
  ['hybrid, by openssl', () => respelled(dev, '-conv_form', 'hybrid'), 'hybrid'],
  ['explicit, by openssl', () => respelled(dev, '-param_enc', 'explicit'), 'explicit curve parameters'],
  [
    'explicit and compressed',
    () => respelled(dev, '-param_enc', 'explicit', '-conv_form', 'compressed'),
    'explicit curve parameters',
  ],
  ['compressed, by hand', () => pem(ecSpki(inForm(pointOf(dev.publicPem), 'compressed'))), 'compressed'],
  ['hybrid, by hand', () => pem(ecSpki(inForm(pointOf(dev.publicPem), 'hybrid'))), 'hybrid'],
  [
    'hybrid with the wrong parity',
    () => {
      const point = inForm(pointOf(dev.publicPem), 'hybrid');
      return pem(ecSpki(patched(point, 0, point[0] === 6 ? '07' : '06')));
    },
    'hybrid',
  ],
  ['the point at infinity', () => pem(ecSpki(hex('00'))), 'infinity'],
  ['infinity, padded', () => pem(ecSpki(Buffer.alloc(65))), 'infinity'],
  ['off the curve', () => pem(ecSpki(patched(pointOf(dev.publicPem), 64, 'ff'))), 'not on the curve'],
  ['the point (0, 0)', () => pem(ecSpki(patched(Buffer.alloc(65), 0, '04'))), 'not on the curve'],
  [
    'a coordinate not below p',
    () => pem(ecSpki(Buffer.concat([hex('04'), Buffer.alloc(32, 0xff), Buffer.alloc(32, 1)]))),
    'not on the curve',
  ],
  ['a point cut short', () => pem(ecSpki(pointOf(dev.publicPem).subarray(0, 64))), '64 bytes'],
  ['an empty point', () => pem(ecSpki(Buffer.alloc(0))), 'infinity'],
  ['EC without parameters', () => pem(spki([oids.ec], pointOf(dev.publicPem))), 'names no curve'],
  ['EC with NULL', () => pem(spki([oids.ec, nothing], pointOf(dev.publicPem))), 'names no curve'],
  [
    'EC with NULL behind the curve',
    () => pem(spki([oids.ec, oids.p256, nothing], pointOf(dev.publicPem))),
    'parameters',
  ],
  ['unused bits', () => pem(spki([oids.ec, oids.p256], pointOf(dev.publicPem), 1)), 'unused bits'],
  [
    'bytes behind the key',
    () => pem(Buffer.concat([derOf(dev.publicPem), hex('0000')])),
    '2 bytes stand behind the key',
  ],
  [
    'a value behind the bit string',
    () => pem(der('30', derOf(dev.publicPem).subarray(2), nothing)),
    'not in DER',
  ],
  ['a length longer than needed', () => pem(longLength(derOf(dev.publicPem).subarray(2))), 'not in DER'],
  [
    'a length without end',
    () => pem(Buffer.concat([hex('3080'), derOf(dev.publicPem).subarray(2), hex('0000')])),
    'not in DER',
  ],
  [
    'an inner length longer than needed',
    () => {
      const whole = derOf(dev.publicPem);
      return pem(der('30', whole.subarray(2, 23), hex('038142'), whole.subarray(25)));
    },
    'not in DER',
  ],
  [
    'a bit string in pieces',
    () => {
      const whole = derOf(dev.publicPem);
      return pem(der('30', whole.subarray(2, 23), der('23', whole.subarray(23))));
    },
    'not in DER',
  ],
  ['Ed25519 with NULL', () => pem(spki([oids.ed25519, nothing], edPoint())), 'algorithm parameters'],
  ['Ed25519 with a curve', () => pem(spki([oids.ed25519, oids.p256], edPoint())), 'algorithm parameters'],
  ['Ed25519, a byte too long', () => pem(edSpki(Buffer.concat([edPoint(), hex('00')]))), '33 bytes'],
  ['Ed25519, a byte too short', () => pem(edSpki(edPoint().subarray(1))), '31 bytes'],
  ['Ed25519 with unused bits', () => pem(spki([oids.ed25519], edPoint(), 7)), 'unused bits'],
  [
    'Ed25519, bytes behind the key',
    () => pem(Buffer.concat([derOf(ed.publicPem), hex('00')])),
    '1 byte stands behind the key',
  ],
  ['Ed25519 in BER', () => pem(longLength(derOf(ed.publicPem).subarray(2))), 'not in DER'],
  ['Ed25519 off the curve', () => pem(edSpki(offTheEdwardsCurve)), 'not on the curve'],
  ['Ed25519, y not below p', () => pem(edSpki(notBelowP)), 'not below'],
  [
    'Ed25519 with a part of small order',
    () => {
      const twist = ed25519.Point.fromBytes(smallOrder[8]![1]);
      return pem(edSpki(Buffer.from(ed25519.Point.fromBytes(edPoint()).add(twist).toBytes())));
    },
    'small order',
  ],
  ...smallOrder.map(
    ([what, point]) => [`Ed25519 of ${what}`, () => pem(edSpki(point)), 'small order'] as const,
  ),
  ['an Ed25519 point as P-256', () => pem(spki([oids.ec, oids.p256], edPoint())), '32 bytes'],
  ['RSA of 512 bits', () => openssl(['rsa', '-pubout'], openssl(['genrsa', '512'])), 'RSA'],
  ['RSA of 3072 bits', () => openssl(['rsa', '-pubout'], openssl(['genrsa', '3072'])), 'RSA'],
  ...(
    [
      ['secp384r1', 'P-384'],
      ['secp256k1', 'secp256k1'],
      ['brainpoolP256r1', '1.3.36.3.3.2.8.1.1.7'],
    ] as const
  ).map(
    ([curve, says]) =>
      [
        `the curve ${curve}`,
        () => openssl(['ec', '-pubout'], openssl(['ecparam', '-name', curve, '-genkey', '-noout'])),
        says,
      ] as const,
  ),
  ...(['x25519', 'ed448', 'x448'] as const).map(
    (kind) =>
      [
        kind,
        () => openssl(['pkey', '-pubout'], openssl(['genpkey', '-algorithm', kind])),
        kind[0]!.toUpperCase() + kind.slice(1),
      ] as const,
  ),
  ['nothing that is DER', () => pem(Buffer.from('hello')), 'not in DER'],
  ['an empty block', () => pem(Buffer.alloc(0)), 'empty'],
];

/** One key in a file that is more than the key, or not that. */
const wrappers: readonly (readonly [what: string, make: () => string | Buffer, says: string])[] = [
  ['an empty file', () => '', 'is empty'],
  ['two keys in one file', () => dev.publicPem + qa.publicPem, 'PUBLIC KEY, PUBLIC KEY'],
  ['the same key twice', () => dev.publicPem + dev.publicPem, 'PUBLIC KEY, PUBLIC KEY'],
  ['text before the key', () => `key of Ada\n${dev.publicPem}`, 'line 1'],
  ['text behind the key', () => `${dev.publicPem}sincerely, Ada\n`, 'line 5'],
  ['text on the line of the end', () => dev.publicPem.replace(/\n$/, ' x\n'), 'line 4'],
  ['a byte order mark', () => `\uFEFF${dev.publicPem}`, 'line 1'],
  ['NUL behind the key', () => `${dev.publicPem}\0`, 'line 5'],
  ['headers', () => dev.publicPem.replace('-----\n', '-----\nProc-Type: 4,CLEAR\n\n'), 'header'],
  ['no end', () => dev.publicPem.replace(/-----END.*\n/, ''), 'no end'],
  ['another end', () => dev.publicPem.replace('END PUBLIC', 'END EC'), 'END EC KEY'],
  ['begun twice', () => `-----BEGIN PUBLIC KEY-----\n${dev.publicPem}`, 'line 2'],
  ['a letter that is no base64', () => dev.publicPem.replace(/\n(.)/, '\n*'), 'line 2'],
  ['bits behind the base64', () => dev.publicPem.replace(/.==\n/, 'B==\n'), 'base64'],
  ['lines of any length', () => dev.publicPem.replace(/\n(.{10})/, '\n$1\n'), 'line 2'],
  [
    'a certificate',
    () =>
      openssl([
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-keyout', '/dev/null', '-subj', '/CN=dev'],
      ]),
    'certificate',
  ],
  ['a key with a certificate', () => `${dev.publicPem}${pem(hex('3000'), 'CERTIFICATE')}`, 'CERTIFICATE'],
  ['a private key', () => dev.privatePem, 'private key'],
  ['a public and a private key', () => dev.publicPem + dev.privatePem, 'private key'],
  ['a key called RSA PUBLIC KEY', () => pem(derOf(dev.publicPem), 'RSA PUBLIC KEY'), 'RSA PUBLIC KEY'],
  ['a key called EC PUBLIC KEY', () => pem(derOf(dev.publicPem), 'EC PUBLIC KEY'), 'EC PUBLIC KEY'],
  ['EC parameters', () => openssl(['ecparam', '-name', 'prime256v1']), 'EC PARAMETERS'],
  ['the bare DER', () => derOf(dev.publicPem), 'DER'],
  ['a key of ssh', () => 'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI ada@host\n', 'ssh'],
  ['a JSON web key', () => '{"kty":"EC"}\n', 'line 1'],
];

async function withBundle(signers: readonly TestKey[]): Promise<{ directory: string; bundle: string }> {
  const directory = await tempDir();
  return { directory, bundle: await put(directory, 'edge.tar.gz', tarGz(bundleParts(signers).entries)) };
}

const refusedKey = (run: CliRun, file: string, says: string): void => {
  expect([run.signal, run.code]).toEqual([null, 2]);
  const { error } = JSON.parse(run.stdout) as { error: { code: string; message: string; hint: string } };
  expect(error.code).toBe('E_KEY');
  expect(error.message).toContain(file);
  expect(error.message.toLowerCase()).toContain(says.toLowerCase());
  expect(error.hint).not.toBe('');
};

describe('a public key has one spelling', () => {
  test.each([...spellings, ...wrappers])('%s is no key', async (_what, make, says) => {
    const { directory, bundle } = await withBundle([dev, ed]);
    const file = await put(directory, 'odd.pub', Buffer.from(make()));
    refusedKey(await cli(['verify', bundle, '--public-key', file, '--json']), file, says);
  });

  test.each([
    ['as keygen writes it', (text: string) => text],
    ['with the line ends of Windows', (text: string) => text.replaceAll('\n', '\r\n')],
    ['with blank lines around it', (text: string) => `\n\n${text}\n`],
    ['without a last line feed', (text: string) => text.trimEnd()],
    ['on one line', (text: string) => text.replace(/(?<=[^-])\n(?=[^-])/g, '')],
  ])('%s it is one', async (_what, change) => {
    const { directory, bundle } = await withBundle([dev, ed]);
    for (const key of [dev, ed]) {
      const file = await put(directory, 'k.pub', Buffer.from(change(key.publicPem)));
      const { code, stdout } = await cli(['verify', bundle, '--public-key', file, '--json']);
      expect([code, stdout]).toEqual([0, expect.stringContaining(key.keyId)]);
    }
  });

  test('the hint gives back the key that it was', async () => {
    const { directory, bundle } = await withBundle([dev]);
    for (const form of [
      ['-conv_form', 'compressed'],
      ['-conv_form', 'hybrid'],
      ['-param_enc', 'explicit'],
    ]) {
      const file = await put(directory, 'odd.pub', Buffer.from(respelled(dev, ...form)));
      const { stdout } = await cli(['verify', bundle, '--public-key', file, '--json']);
      const { hint } = (JSON.parse(stdout) as { error: { hint: string } }).error;
      const [line = ''] = /openssl .*$/.exec(hint) ?? [];
      execFileSync('sh', ['-c', line], { cwd: directory });
      expect(await readFile(join(directory, 'NEW.pub'), 'utf8')).toBe(dev.publicPem);
    }
  });
});

describe('every door refuses the second spelling of a key', () => {
  const doors: readonly (readonly [
    string,
    (at: { odd: string; bundle: string; directory: string }) => string[],
  ])[] = [
    ['verify', ({ odd, bundle }) => ['verify', bundle, '--public-key', odd]],
    ['diff', ({ odd, bundle }) => ['diff', bundle, bundle, '--public-key', odd]],
    [
      'import',
      ({ odd, bundle, directory }) => ['import', bundle, '--to', join(directory, 'v'), '--public-key', odd],
    ],
    [
      'sign --public-key',
      ({ odd, bundle, directory }) => [
        ...['sign', bundle, '--signing-key', join(directory, 'dev.key'), '--allow-plain-key'],
        ...['--public-key', odd],
      ],
    ],
    [
      'sign --signed-by',
      ({ odd, bundle, directory }) => [
        ...['sign', bundle, '--signature', join(directory, 's.sig'), '--signed-by', odd],
      ],
    ],
    [
      'sign --sign-command',
      ({ odd, bundle }) => ['sign', bundle, '--sign-command', 'cat', '--signed-by', odd],
    ],
    [
      'trust add',
      ({ odd, directory }) => [
        'trust',
        'add',
        join(directory, 'trust'),
        odd,
        '--name',
        'bob',
        '--role',
        'dev',
      ],
    ],
    [
      'doctor',
      ({ odd, bundle, directory }) => [
        ...['doctor', bundle, '--catalogue', join(directory, 'plugins.properties'), '--public-key', odd],
      ],
    ],
  ];

  test.each(doors)('%s', async (_what, line) => {
    const { directory, bundle } = await withBundle([dev]);
    await dev.writeTo(directory);
    await writeFile(join(directory, 's.sig'), dev.sign(bundleParts([dev]).manifestBytes));
    await writeFile(join(directory, 'plugins.properties'), 'waf=oci://registry.example/plugins/waf:1.0.0\n');
    await putStore(join(directory, 'trust'), { keys: [{ key: dev, role: 'dev' }] });
    const odd = join(directory, 'odd.pub');
    await writeFile(odd, respelled(dev, '-conv_form', 'compressed'));
    const before = await treeOf(directory);
    const run = await cli([...line({ odd, bundle, directory }), '--json']);
    refusedKey(run, odd, 'compressed');
    expect(await treeOf(directory)).toEqual(before);
  });
});

describe('one holder counts once', () => {
  /** A store as an older Plugferry took it: the key ids are digests of the spellings. */
  async function storeWith(directory: string, texts: readonly string[], threshold: number): Promise<string> {
    const store = join(directory, 'trust');
    await mkdir(store, { mode: 0o755 });
    const ids = texts.map((text) => sha256Of(Buffer.from(text.replace(/-----.*-----|\n/g, ''), 'base64')));
    const document = {
      ...trustDocument({ keys: [], sets: { edge: { require: [{ role: 'dev', threshold }] } } }),
      keys: Object.fromEntries(
        ids.map((id, at) => [id, { name: `dev-${at}`, role: 'dev', status: 'active' as const }]).sort(),
      ),
    };
    await writeFile(join(store, 'trust.json'), documentBytes(document));
    for (const [at, id] of ids.entries()) await writeFile(join(store, `${id}.pub`), texts[at]!);
    return store;
  }

  test.each([
    ['compressed', ['-conv_form', 'compressed']],
    ['hybrid', ['-conv_form', 'hybrid']],
    ['explicit', ['-param_enc', 'explicit']],
  ])(
    'in a store that holds a %s spelling already: the store is refused, by every reader',
    async (says, form) => {
      const { directory, bundle } = await withBundle([dev]);
      const store = await storeWith(directory, [dev.publicPem, respelled(dev, ...form)], 2);
      const { pub } = await qa.writeTo(directory);
      for (const line of [
        ['verify', bundle, '--trust', store],
        ['import', bundle, '--to', join(directory, 'v'), '--trust', store],
        ['trust', 'list', store],
        ['trust', 'add', store, pub, '--name', 'qa', '--role', 'qa'],
        ['trust', 'update', store, store],
      ]) {
        const run = await cli([...line, '--json']);
        expect([run.code, errorCode(run)]).toEqual([4, 'E_TRUST_STORE']);
        expect(run.stdout).toContain(says);
        expect(run.stdout).not.toContain('does not hold');
      }
    },
  );

  test('a store whose key file has the canonical key under the id of another spelling is refused', async () => {
    const { directory, bundle } = await withBundle([dev]);
    const odd = respelled(dev, '-conv_form', 'compressed');
    const store = await storeWith(directory, [odd], 1);
    const id = sha256Of(Buffer.from(odd.replace(/-----.*-----|\n/g, ''), 'base64'));
    await writeFile(join(store, `${id}.pub`), dev.publicPem);
    const run = await cli(['verify', bundle, '--trust', store, '--json']);
    expect([run.code, errorCode(run)]).toEqual([4, 'E_TRUST_STORE']);
    expect(run.stdout).toContain(dev.keyId);
  });

  test('a signature of one key under two ids satisfies no threshold of two, role by role, root by root', async () => {
    const signed = bundleParts([dev]);
    const signature = dev.sign(signed.manifestBytes);
    const directory = await tempDir();
    const other = sha256Of(Buffer.from(respelled(dev, '-conv_form', 'hybrid')));
    const entries = signed.entries.flatMap((entry) =>
      entry.name?.endsWith('.sig') === true
        ? [entry, { ...entry, name: entry.name.replace(dev.keyId, other), body: signature }].sort((a, b) =>
            (a.name ?? '') < (b.name ?? '') ? -1 : 1,
          )
        : [entry],
    );
    const bundle = await put(directory, 'edge.tar.gz', tarGz(entries));
    const policies = [
      { require: [{ role: 'dev', threshold: 2 }] },
      {
        require: [
          { role: 'dev', threshold: 1 },
          { role: 'qa', threshold: 1 },
        ],
      },
    ];
    for (const [at, policy] of policies.entries()) {
      const keys = [
        { key: dev, role: 'dev' },
        { key: qa, role: 'qa' },
      ];
      const store = await putStore(join(directory, `trust-${at}`), { keys, sets: { edge: policy } });
      const run = await cli(['verify', bundle, '--trust', store, '--json']);
      expect([run.code, errorCode(run)]).toEqual([4, 'E_POLICY']);
    }
    const roots = {
      keys: [
        { key: dev, role: 'root' },
        { key: qa, role: 'root' },
      ],
      rootThreshold: 2,
    };
    const store = await putStore(join(directory, 'roots'), roots);
    const arrived = await putStore(join(directory, 'arrived'), { ...roots, version: 2 }, [dev]);
    await writeFile(join(arrived, `${other}.sig`), await readFile(join(arrived, `${dev.keyId}.sig`)));
    const run = await cli(['trust', 'update', store, arrived, '--json']);
    expect([run.code, errorCode(run)]).toEqual([4, 'E_POLICY']);
  });

  test('an update that brings a second spelling is refused, and a revoked key does not come back so', async () => {
    const directory = await tempDir();
    const store = await putStore(join(directory, 'store'), {
      keys: [
        { key: qa, role: 'root' },
        { key: dev, role: 'dev', status: 'revoked' },
      ],
    });
    const odd = respelled(dev, '-conv_form', 'compressed');
    const arrived = await storeWith(directory, [odd, qa.publicPem], 1);
    const file = join(arrived, 'trust.json');
    const text = (await readFile(file, 'utf8')).replace('"version": 1', '"version": 9');
    await writeFile(file, text);
    await writeFile(join(arrived, `${qa.keyId}.sig`), qa.sign(Buffer.from(text)));
    const before = await treeOf(store);
    const run = await cli(['trust', 'update', store, arrived, '--json']);
    expect([run.code, errorCode(run)]).toEqual([4, 'E_TRUST_STORE']);
    expect(run.stdout).toContain('compressed');
    const added = join(directory, 'odd.pub');
    await writeFile(added, odd);
    refusedKey(
      await cli(['trust', 'add', store, added, '--name', 'dev-27', '--role', 'dev', '--json']),
      added,
      'compressed',
    );
    expect(await treeOf(store)).toEqual(before);
  });

  test('nobody signs for a key of small order', async () => {
    const { directory, bundle } = await withBundle([dev]);
    // S = 0 and R = A hold for the point of order 1 and any message.
    const identity = edSpki(smallOrder[0]![1]);
    const pub = await put(directory, 'anybody.pub', Buffer.from(pem(identity)));
    const signature = await put(directory, 's.sig', Buffer.concat([smallOrder[0]![1], Buffer.alloc(32)]));
    const before = await treeOf(directory);
    refusedKey(
      await cli(['sign', bundle, '--signature', signature, '--signed-by', pub, '--json']),
      pub,
      'small order',
    );
    expect(await treeOf(directory)).toEqual(before);
  });
});

describe('a private key has one spelling, and fits its public part', () => {
  const scalar = (): Buffer =>
    Buffer.from(createPrivateKey(dev.privatePem).export({ format: 'jwk' }).d ?? '', 'base64url');
  const d = (bytes: Buffer): Buffer => der('04', bytes);
  const version = hex('020101');
  const sec1 = (secretScalar: Buffer, ...rest: Buffer[]): Buffer =>
    der('30', version, d(secretScalar), ...rest);
  const pkcs8 = (inner: Buffer, ...algorithm: Buffer[]): Buffer =>
    der('30', hex('020100'), der('30', ...algorithm), der('04', inner));
  const publicPart = (point: Buffer): Buffer => der('a1', der('03', hex('00'), point));
  const curve = (): Buffer => der('a0', oids.p256);
  const n = hex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');

  const privates: readonly (readonly [string, () => string, string])[] = [
    [
      'SEC 1 with the public part of another',
      () => pem(sec1(scalar(), curve(), publicPart(pointOf(qa.publicPem))), 'EC PRIVATE KEY'),
      'does not belong',
    ],
    [
      'PKCS#8 with the public part of another',
      () => pem(pkcs8(sec1(scalar(), publicPart(pointOf(qa.publicPem))), oids.ec, oids.p256), 'PRIVATE KEY'),
      'does not belong',
    ],
    [
      'a public part at infinity',
      () => pem(sec1(scalar(), curve(), publicPart(hex('00'))), 'EC PRIVATE KEY'),
      'private key',
    ],
    [
      'a public part off the curve',
      () =>
        pem(sec1(scalar(), curve(), publicPart(patched(pointOf(dev.publicPem), 64, 'ff'))), 'EC PRIVATE KEY'),
      'damaged',
    ],
    [
      'the private number 0',
      () => pem(sec1(Buffer.alloc(32), curve(), publicPart(pointOf(dev.publicPem))), 'EC PRIVATE KEY'),
      'private key',
    ],
    [
      'the private number n',
      () => pem(sec1(n, curve(), publicPart(pointOf(dev.publicPem))), 'EC PRIVATE KEY'),
      'private key',
    ],
    ['compressed', () => openssl(['ec', '-conv_form', 'compressed'], dev.privatePem), 'compressed'],
    ['hybrid', () => openssl(['ec', '-conv_form', 'hybrid'], dev.privatePem), 'hybrid'],
    [
      'explicit',
      () => openssl(['ec', '-param_enc', 'explicit'], dev.privatePem),
      'explicit curve parameters',
    ],
    [
      'explicit, in PKCS#8',
      () => openssl(['pkey', '-ec_param_enc', 'explicit'], dev.privatePem),
      'explicit curve parameters',
    ],
    ['two keys', () => dev.privatePem + qa.privatePem, 'PRIVATE KEY, PRIVATE KEY'],
    ['text around it', () => `mine\n${dev.privatePem}`, 'line 1'],
    ['a public key', () => dev.publicPem, 'public key'],
    ['RSA', () => openssl(['genrsa', '-traditional', '2048']), 'RSA'],
    ['RSA in PKCS#8', () => openssl(['genpkey', '-algorithm', 'rsa']), 'RSA'],
    ['X25519', () => openssl(['genpkey', '-algorithm', 'x25519']), 'X25519'],
    ['P-384', () => openssl(['genpkey', '-algorithm', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']), 'P-384'],
    ['a certificate', () => pem(hex('3000'), 'CERTIFICATE'), 'CERTIFICATE'],
    ['cosign', () => pem(hex('3000'), 'ENCRYPTED SIGSTORE PRIVATE KEY'), 'SIGSTORE'],
  ];

  test.each(privates)('%s does not sign', async (_what, make, says) => {
    const { directory, bundle } = await withBundle([dev]);
    const file = join(directory, 'odd.key');
    // Not registered as a secret: Node ends the process where it is to export a public part at infinity. The number is that of dev.
    const text = make();
    await writeFile(file, text, { mode: 0o600 });
    const before = await treeOf(directory);
    const run = await cli(['sign', bundle, '--signing-key', file, '--allow-plain-key', '--json']);
    refusedKey(run, file, says);
    expect(await treeOf(directory)).toEqual(before);
  });

  test('a plain key does not pass as an encrypted one because the word stands in its file', async () => {
    const { directory, bundle } = await withBundle([dev]);
    const file = join(directory, 'dev.key');
    await writeFile(file, `ENCRYPTED\n${dev.privatePem}`, { mode: 0o600 });
    await writeFile(join(directory, 'pass'), 'whatever it may be\n', { mode: 0o600 });
    const line = [
      'sign',
      bundle,
      '--signing-key',
      file,
      '--passphrase-file',
      join(directory, 'pass'),
      '--json',
    ];
    refusedKey(await cli(line), file, 'line 1');
  });

  test('what openssl writes by default signs under the id of its one spelling', async () => {
    const { directory, bundle } = await withBundle([qa]);
    const file = join(directory, 'dev.key');
    for (const text of [
      openssl(['ec'], dev.privatePem),
      openssl(['ecparam', '-name', 'prime256v1']) + openssl(['ec'], dev.privatePem),
      openssl(['ec', '-no_public'], dev.privatePem),
      pem(pkcs8(sec1(scalar()), oids.ec, oids.p256), 'PRIVATE KEY'),
    ]) {
      secretKey(text);
      await writeFile(file, text, { mode: 0o600 });
      const run = await cli(['sign', bundle, '--signing-key', file, '--allow-plain-key', '--json']);
      expect([run.code, (JSON.parse(run.stdout) as { keyId: string }).keyId]).toEqual([0, dev.keyId]);
    }
  });

  test('keygen makes keys that every door takes', async () => {
    const directory = await tempDir();
    await chmod(directory, 0o755);
    const store = await putStore(join(directory, 'trust'), { keys: [], sets: { edge: oneOfEach('dev') } });
    for (const algorithm of ['ecdsa-p256', 'ed25519']) {
      const path = join(directory, algorithm);
      const made = await cli(['keygen', path, '--algorithm', algorithm, '--allow-plain-key', '--json']);
      const { keyId } = JSON.parse(made.stdout) as { keyId: string };
      const line = ['trust', 'add', store, `${path}.pub`, '--name', algorithm, '--role', 'dev', '--json'];
      const added = await cli(line);
      expect([added.code, added.stdout]).toEqual([0, expect.stringContaining(keyId)]);
    }
  });
});
