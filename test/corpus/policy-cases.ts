import type { ErrorCode } from '../../src/errors.js';
import type { Manifest } from '../../src/schema/manifest.js';
import type { SetPolicy, TrustDocument } from '../../src/schema/trust.js';
import { sha256Of } from '../../src/stream/digest.js';
import { bundleParts, headEntries, tarGz } from '../helpers/bundle.js';
import type { TestKey } from '../helpers/keys.js';
import { malleated } from '../helpers/malleate.js';
import type { RawEntry } from '../helpers/tar.js';
import { oneOfEach, type Entrusted, type StoreParts } from '../helpers/trust.js';

/** When the cases arrive. */
export const now = new Date('2026-02-01T00:00:00Z');

/** Whose keys there are. The store knows all but the stranger. */
export type People = Readonly<Record<'dev' | 'qa' | 'old' | 'qa2' | 'stranger', TestKey>>;

/** A bundle that arrives, and what is not as usual on the receiving side. */
export interface Attempt {
  readonly bytes: Buffer;
  /** Another policy of set edge than {@link usualPolicy}. */
  readonly policy?: SetPolicy;
  readonly keys?: readonly Entrusted[];
  readonly document?: Partial<Pick<TrustDocument, 'revokedManifests'>>;
  /** @default {@link now} */
  readonly clock?: Date;
  /** A volume that remembers nothing in place of the one that saw sequence 7. */
  readonly fresh?: boolean;
}

/** One row: everything about the bundle is right but what the title says. */
export interface PolicyCase {
  readonly id: string;
  readonly title: string;
  readonly code: ErrorCode;
  readonly build: (people: People) => Attempt;
}

export const usualPolicy: SetPolicy = {
  ...oneOfEach('dev', 'qa'),
  audience: 'prod',
  maxAgeDays: 90,
  minSequence: 5,
  epoch: 1,
};

export const usualStore = ({ dev, qa, qa2, old }: People): StoreParts => ({
  keys: [
    { key: dev, role: 'dev', name: 'dev-2026' },
    { key: qa, role: 'qa', name: 'qa-2026' },
    { key: qa2, role: 'qa', name: 'qa-2027' },
    { key: old, role: 'qa', name: 'qa-2025', status: 'revoked' },
  ],
  sets: { edge: usualPolicy },
});

/** What the usual policy takes: newer than sequence 7. */
export const usual = (manifest: Manifest): Manifest => ({ ...manifest, sequence: 8, audience: ['prod'] });

/** The bundle that the volume has seen. */
export const seen = (manifest: Manifest): Manifest => ({ ...manifest, sequence: 7, audience: ['prod'] });

const signedBy = (...keys: readonly TestKey[]): Buffer => tarGz(bundleParts(keys, undefined, usual).entries);

/** A bundle of dev and qa whose manifest differs. */
const changed =
  (change: (manifest: Manifest) => Manifest, rest: Omit<Attempt, 'bytes'> = {}) =>
  ({ dev, qa }: People): Attempt => ({
    bytes: tarGz(bundleParts([dev, qa], undefined, (manifest) => change(usual(manifest))).entries),
    ...rest,
  });

/** The entries of signatures that claim these key ids, between manifest and payload of the usual bundle. */
function withSignatures(signatures: (manifest: Buffer) => Readonly<Record<string, Buffer>>): Buffer {
  const { entries, manifestBytes } = bundleParts([], undefined, usual);
  const files = Object.entries(signatures(manifestBytes))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([keyId, body]): RawEntry => ({ name: `signatures/${keyId}.sig`, body }));
  return tarGz([...entries.slice(0, 1), ...files, ...entries.slice(1)]);
}

const standing =
  (facts: Partial<Entrusted>, signers: readonly (keyof People)[]) =>
  (people: People): Attempt => ({
    bytes: signedBy(...signers.map((name) => people[name])),
    keys: [
      { key: people.dev, role: 'dev', name: 'dev-2026' },
      { key: people.old, role: 'qa', name: 'qa-2025', ...facts },
    ],
  });

const elsewhere = 'f'.repeat(64);

export const cases: readonly PolicyCase[] = [
  {
    id: 'M01',
    title: 'no signature',
    code: 'E_UNSIGNED',
    build: () => ({ bytes: signedBy() }),
  },
  {
    id: 'M02',
    title: 'an empty signature file of a known key',
    code: 'E_SIGNATURE_INVALID',
    build: ({ dev }) => ({ bytes: withSignatures(() => ({ [dev.keyId]: Buffer.alloc(0) })) }),
  },
  {
    id: 'M02',
    title: 'an empty signature file of nobody',
    code: 'E_SIGNER_UNKNOWN',
    build: () => ({ bytes: withSignatures(() => ({ [elsewhere]: Buffer.alloc(0) })) }),
  },
  {
    id: 'M03',
    title: 'a signature file of 64 KiB',
    code: 'E_LIMIT',
    build: ({ dev }) => ({ bytes: withSignatures(() => ({ [dev.keyId]: Buffer.alloc(65_536, 1) })) }),
  },
  {
    id: 'M04',
    title: 'only an unknown key',
    code: 'E_SIGNER_UNKNOWN',
    build: ({ stranger }) => ({ bytes: signedBy(stranger) }),
  },
  {
    id: 'M05',
    title: 'the attacker signs and brings the public key along',
    code: 'E_CONTAINER',
    build: ({ stranger }) => ({ bytes: withKeyInside([stranger], stranger) }),
  },
  {
    id: 'M05',
    title: 'a public key inside a bundle of the right people',
    code: 'E_CONTAINER',
    build: ({ dev, qa, stranger }) => ({ bytes: withKeyInside([dev, qa], stranger) }),
  },
  {
    id: 'M06',
    title: 'a signature of a known key over another manifest',
    code: 'E_SIGNATURE_INVALID',
    build: ({ dev, qa }) => ({
      bytes: withSignatures((manifest) => ({
        [dev.keyId]: dev.sign(manifest),
        [qa.keyId]: qa.sign(Buffer.from('another manifest')),
      })),
    }),
  },
  {
    id: 'M07',
    title: 'one key under two ids',
    code: 'E_POLICY',
    build: ({ dev }) => ({
      bytes: withSignatures((manifest) => ({
        [dev.keyId]: dev.sign(manifest),
        [elsewhere]: dev.sign(manifest),
      })),
      policy: { require: [{ role: 'dev', threshold: 2 }] },
    }),
  },
  {
    id: 'M07',
    title: 'one key with its malleated signature under another id',
    code: 'E_POLICY',
    build: ({ dev }) => ({
      bytes: withSignatures((manifest) => ({
        [dev.keyId]: dev.sign(manifest),
        [elsewhere]: malleated(dev.sign(manifest)),
      })),
      policy: { require: [{ role: 'dev', threshold: 2 }] },
    }),
  },
  {
    id: 'M07',
    title: 'one key under the id of a key of another role that does not count',
    code: 'E_POLICY',
    build: ({ dev, old }) => ({
      bytes: withSignatures((manifest) => ({
        [dev.keyId]: dev.sign(manifest),
        [old.keyId]: dev.sign(manifest),
      })),
    }),
  },
  {
    id: 'M08',
    title: 'dev alone where dev and qa are needed',
    code: 'E_POLICY',
    build: ({ dev }) => ({ bytes: signedBy(dev) }),
  },
  {
    id: 'M08',
    title: 'two of qa and none of dev',
    code: 'E_POLICY',
    build: ({ qa, qa2 }) => ({ bytes: signedBy(qa, qa2) }),
  },
  {
    id: 'M08',
    title: 'dev and a stranger who says to be qa',
    code: 'E_POLICY',
    build: ({ dev, qa, stranger }) => ({
      bytes: withSignatures((manifest) => ({
        [dev.keyId]: dev.sign(manifest),
        [stranger.keyId]: stranger.sign(manifest),
      })),
      keys: [
        { key: dev, role: 'dev' },
        { key: qa, role: 'qa' },
      ],
    }),
  },
  {
    id: 'M09',
    title: 'a revoked key alone',
    code: 'E_KEY_REVOKED',
    build: standing({ status: 'revoked' }, ['old']),
  },
  {
    id: 'M09',
    title: 'a retired key alone',
    code: 'E_KEY_REVOKED',
    build: standing({ status: 'retired' }, ['old']),
  },
  {
    id: 'M09',
    title: 'dev and a revoked key of qa',
    code: 'E_POLICY',
    build: standing({ status: 'revoked' }, ['dev', 'old']),
  },
  {
    id: 'M10',
    title: 'an expired key alone',
    code: 'E_KEY_EXPIRED',
    build: standing({ notAfter: '2026-01-31T23:59:59Z' }, ['old']),
  },
  {
    id: 'M10',
    title: 'dev and an expired key of qa',
    code: 'E_POLICY',
    build: standing({ notAfter: '2026-01-31T23:59:59Z' }, ['dev', 'old']),
  },
  {
    id: 'M11',
    title: 'a key that is not yet valid alone',
    code: 'E_KEY_NOT_YET_VALID',
    build: standing({ notBefore: '2026-02-01T00:00:01Z' }, ['old']),
  },
  {
    id: 'M11',
    title: 'dev and a key of qa that is not yet valid',
    code: 'E_POLICY',
    build: standing({ notBefore: '2026-02-01T00:00:01Z' }, ['dev', 'old']),
  },
  {
    id: 'M12',
    title: 'a lower sequence than one seen',
    code: 'E_ROLLBACK',
    build: changed((manifest) => ({ ...manifest, sequence: 6 })),
  },
  {
    id: 'M12',
    title: 'a lower epoch than one seen, with a huge sequence',
    code: 'E_ROLLBACK',
    build: changed((manifest) => ({ ...manifest, epoch: 0, sequence: 1_000_000_000 }), {
      policy: { ...oneOfEach('dev', 'qa') },
    }),
  },
  {
    id: 'M13',
    title: 'the same sequence, another bundle',
    code: 'E_EQUIVOCATION',
    build: changed((manifest) => ({ ...manifest, sequence: 7, tool: 'plugferry/other' })),
  },
  {
    id: 'M14',
    title: 'expired a second ago',
    code: 'E_EXPIRED',
    build: changed(withExpiry('2026-01-31T23:59:59Z')),
  },
  {
    id: 'M14',
    title: 'older than the policy allows',
    code: 'E_EXPIRED',
    build: changed((manifest) => ({ ...manifest, createdAt: '2025-11-01T00:00:00Z' })),
  },
  {
    id: 'M14',
    title: 'expired, with the clock set back behind what the volume has seen',
    code: 'E_EXPIRED',
    build: changed(withExpiry('2026-01-02T03:00:00Z', '2026-01-01T00:00:00Z'), {
      clock: new Date('2026-01-01T12:00:00Z'),
    }),
  },
  {
    id: 'M15',
    title: 'created more than a day ahead of the clock',
    code: 'E_CLOCK',
    build: changed((manifest) => ({ ...manifest, createdAt: '2026-02-02T00:00:01Z' })),
  },
  {
    id: 'M16',
    title: 'a revoked bundle',
    code: 'E_BUNDLE_REVOKED',
    build: ({ dev, qa }) => {
      const { entries, manifestBytes } = bundleParts([dev, qa], undefined, usual);
      return { bytes: tarGz(entries), document: { revokedManifests: [sha256Of(manifestBytes)] } };
    },
  },
  {
    id: 'M17',
    title: 'below the lowest sequence of the policy, on a volume that lost its memory',
    code: 'E_ROLLBACK',
    build: changed((manifest) => ({ ...manifest, sequence: 4 }), { fresh: true }),
  },
  {
    id: 'M18',
    title: 'made for another environment',
    code: 'E_AUDIENCE',
    build: changed((manifest) => ({ ...manifest, audience: ['test'] })),
  },
  {
    id: 'M18',
    title: 'made for no environment in particular',
    code: 'E_AUDIENCE',
    build: changed((manifest) => ({ ...manifest, audience: [] })),
  },
  {
    id: 'M18',
    title: 'a set without a policy',
    code: 'E_POLICY_MISSING',
    build: changed((manifest) => ({ ...manifest, set: 'toys' })),
  },
  {
    id: 'M18',
    title: 'a set that is called constructor',
    code: 'E_POLICY_MISSING',
    build: changed((manifest) => ({ ...manifest, set: 'constructor' })),
  },
  {
    id: 'M18',
    title: 'an epoch ahead of the policy',
    code: 'E_EPOCH',
    build: changed((manifest) => ({ ...manifest, epoch: 2 })),
  },
  {
    id: 'M18',
    title: 'an epoch that the policy has shut out',
    code: 'E_EPOCH',
    build: changed((manifest) => manifest, { policy: { ...usualPolicy, epoch: 2 } }),
  },
  {
    id: 'M18',
    title: 'signed as a trust store',
    code: 'E_MANIFEST',
    build: changed((manifest) => ({ ...manifest, type: 'plugferry.trust/v1' as Manifest['type'] })),
  },
  {
    id: 'M18',
    title: 'a format that is yet to come',
    code: 'E_FORMAT_VERSION',
    build: changed((manifest) => ({ ...manifest, type: 'plugferry.bundle/v2' as Manifest['type'] })),
  },
];

/** The key stands where `signatures/` end. */
function withKeyInside(signers: readonly TestKey[], { keyId, publicPem }: TestKey): Buffer {
  const { entries, manifestBytes } = bundleParts(signers, undefined, usual);
  const head = headEntries(manifestBytes, signers);
  const key = { name: `signatures/${keyId}.pub`, body: Buffer.from(publicPem) };
  return tarGz([...head, key, ...entries.slice(head.length)]);
}

/** In the place that the format gives to the field: behind `createdAt`. */
function withExpiry(expiresAt: string, createdAt?: string): (manifest: Manifest) => Manifest {
  return (manifest) => {
    const { tool, totalSize, plugins, files, ...head } = manifest;
    const created = createdAt ?? manifest.createdAt;
    return { ...head, createdAt: created, expiresAt, tool, totalSize, plugins, files };
  };
}
