import { PlugferryError } from '../errors.js';
import type { Manifest } from '../schema/manifest.js';
import type { SetPolicy } from '../schema/trust.js';
import { describeKey, type NamedKey } from './check.js';
import { failed, passed, type Ruling } from './rule-result.js';
import { knownKeys, type TrustStore } from './store.js';

/** What the rules of a trust store look at. */
export interface Candidate {
  /** Distinct keys with a valid signature that count. */
  readonly signers: readonly NamedKey[];
  /** Those that do not, each with its reason. */
  readonly uncounted: readonly NamedKey[];
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  /** The moment of the check. */
  readonly now: Date;
}

/** The policy of a plugin set, if the store has one. A set may be called `constructor`. */
export const policyOf = ({ document }: TrustStore, set: string): SetPolicy | undefined =>
  Object.hasOwn(document.sets, set) ? document.sets[set] : undefined;

/** What a trust store says to a bundle whose signatures were checked: one ruling per rule, none left out. */
export function judgeByPolicy(
  store: TrustStore,
  candidate: Candidate,
  { thresholds = true }: { readonly thresholds?: boolean } = {},
): readonly Ruling[] {
  const { manifest } = candidate;
  const policy = policyOf(store, manifest.set);
  const first = revocation(store, candidate);
  if (policy === undefined) return [first, failed('policy', noPolicy(store, manifest.set))];
  return [
    first,
    passed('policy', `set ${manifest.set}, trust store version ${store.document.version}`),
    ...policy.require.map((rule) => (thresholds ? role(rule, store, candidate) : notYet(rule, candidate))),
    ...audience(policy, manifest),
    ...age(policy, candidate),
    ...epoch(policy, manifest),
    ...minSequence(policy, manifest),
  ];
}

function revocation({ document }: TrustStore, { manifestSha256 }: Candidate): Ruling {
  if (!document.revokedManifests.includes(manifestSha256)) return passed('revocation', 'not revoked');
  const error = new PlugferryError(
    'E_BUNDLE_REVOKED',
    `this bundle is revoked: the trust store lists its manifest ${manifestSha256}`,
    {
      hint: 'Ask its sender for the bundle that replaced it, and why this one was withdrawn.',
      details: { manifestSha256 },
    },
  );
  return failed('revocation', error);
}

function noPolicy({ directory, document }: TrustStore, set: string): PlugferryError {
  const sets = Object.keys(document.sets);
  const known = sets.length === 0 ? 'it has no policy at all' : `it has ${sets.join(', ')}`;
  return new PlugferryError('E_POLICY_MISSING', `${directory} has no policy for set "${set}": ${known}`, {
    hint: `If this set belongs here, say who must sign it: plugferry trust set DIR ${set} --require dev=1`,
    details: { file: directory, expected: sets.join(', '), found: set },
  });
}

function role(
  { role: name, threshold }: SetPolicy['require'][number],
  store: TrustStore,
  candidate: Candidate,
): Ruling {
  const check = `role ${name}`;
  const found = candidate.signers.filter((key) => key.role === name);
  const names = found.map(describeKey).join(', ');
  if (found.length >= threshold) return passed(check, `${found.length} of ${threshold}: ${names}`);
  const uncounted = candidate.uncounted
    .filter((key) => key.role === name)
    .map((key) => `; ${describeKey(key)} signed but is ${key.reason ?? ''}`);
  const others = candidate.signers.filter((key) => key.role !== name).map(describeKey);
  const also = others.length === 0 ? '' : `; signed by ${others.join(', ')}`;
  return failed(
    check,
    new PlugferryError(
      'E_POLICY',
      `set "${candidate.manifest.set}" needs ${signatures(threshold)} of role ${name} and has ${names === '' ? 'none' : `${found.length}: ${names}`}` +
        `${uncounted.join('')}${also}`,
      {
        hint: `Have it signed (plugferry sign BUNDLE --signing-key KEY) with a key of ${whoMay(store, name, candidate.now)}.`,
        details: { role: name, expected: threshold, found: found.length },
      },
    ),
  );
}

/** At a hop, further signatures are still to come: who signed so far is told, and nothing asked of it. */
const notYet = ({ role: name, threshold }: SetPolicy['require'][number], { signers }: Candidate): Ruling => ({
  check: `role ${name}`,
  result: 'skipped',
  detail: `${signers.filter((key) => key.role === name).length} of ${threshold} so far`,
});

const signatures = (count: number): string => (count === 1 ? '1 signature' : `${count} signatures`);

function whoMay(store: TrustStore, name: string, now: Date): string {
  const able = knownKeys(store, now).filter((key) => key.role === name && key.standing === 'active');
  return able.length === 0
    ? `role ${name}; the trust store has none that is valid now`
    : able.map(describeKey).join(', ');
}

function audience({ audience: wanted }: SetPolicy, manifest: Manifest): Ruling[] {
  if (wanted === undefined) return [];
  const found = manifest.audience.join(', ') || 'nobody in particular';
  if (manifest.audience.includes(wanted)) return [passed('audience', `made for ${found}`)];
  const error = new PlugferryError(
    'E_AUDIENCE',
    `made for ${found}, this side takes only what is made for ${wanted}`,
    {
      hint: `Ask for a bundle that was exported with --audience ${wanted}.`,
      details: { expected: wanted, found },
    },
  );
  return [failed('audience', error)];
}

function age({ maxAgeDays }: SetPolicy, { manifest, now }: Candidate): Ruling[] {
  if (maxAgeDays === undefined) return [];
  const days = Math.floor((now.getTime() - Date.parse(manifest.createdAt)) / 86_400_000);
  const detail = `created ${manifest.createdAt}, ${Math.max(0, days)} days ago; at most ${maxAgeDays}`;
  if (now.getTime() - Date.parse(manifest.createdAt) <= maxAgeDays * 86_400_000)
    return [passed('age', detail)];
  const error = new PlugferryError('E_EXPIRED', `this bundle is too old: ${detail}`, {
    hint: 'Export it again; check the clock of this machine if that surprises you.',
    details: { expected: maxAgeDays, found: days },
  });
  return [failed('age', error)];
}

function epoch({ epoch: wanted }: SetPolicy, manifest: Manifest): Ruling[] {
  if (wanted === undefined) return [];
  if (manifest.epoch === wanted) return [passed('epoch', String(wanted))];
  const error = new PlugferryError(
    'E_EPOCH',
    `this bundle is of epoch ${manifest.epoch}, the policy of set "${manifest.set}" takes epoch ${wanted} only`,
    {
      hint:
        manifest.epoch < wanted
          ? `The epoch was raised to shut out what was signed before. Export it again with --epoch ${wanted}.`
          : 'The sender has begun a new epoch. Bring the trust store up to date first (plugferry trust update).',
      details: { expected: wanted, found: manifest.epoch },
    },
  );
  return [failed('epoch', error)];
}

function minSequence({ minSequence: wanted }: SetPolicy, { set, sequence }: Manifest): Ruling[] {
  if (wanted === undefined) return [];
  if (sequence >= wanted) return [passed('lowest sequence', `${sequence}, at least ${wanted}`)];
  const error = new PlugferryError(
    'E_ROLLBACK',
    `sequence ${sequence} of set "${set}" is lower than ${wanted}, the lowest that the trust store takes`,
    {
      hint: 'This is an old bundle. Import the newest one of this set.',
      details: { expected: wanted, found: sequence },
    },
  );
  return [failed('lowest sequence', error)];
}
