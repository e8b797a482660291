import type { ManifestCheck } from '../bundle/bundle.js';
import { PlugferryError } from '../errors.js';
import type { Manifest } from '../schema/manifest.js';
import type { SeenBundle } from '../schema/state.js';
import { checkSignatures, describeKey, type KnownKey, type NamedKey } from '../trust/check.js';
import { judgeByDates, nowAt, type Moment } from '../trust/dates.js';
import { judgeByFloor, type FloorRuling } from '../trust/rollback-protection.js';
import type { TrustedKey } from '../trust/key.js';
import { judgeByPolicy, policyOf } from '../trust/policy.js';
import { judgeByReach } from '../trust/reach.js';
import type { Check, Ruling } from '../trust/rule-result.js';
import { knownKeys, type TrustStore } from '../trust/store.js';

/** How the receiver decides whether to believe a bundle. */
export type Trust =
  /** One valid signature of any of these is enough. */
  | { readonly publicKeys: readonly TrustedKey[] }
  /** Who must sign which set, and what else is asked of it, is what the store says. */
  | { readonly store: TrustStore }
  /** Believe anything. Importers log it and mark the release. */
  | { readonly insecureSkipSignature: true };

/** Who stands behind a bundle. */
export interface Authentication {
  /** Trusted keys whose signatures are valid and count; empty only when the check was skipped. */
  readonly signers: readonly NamedKey[];
  /** Keys that the receiver knows and whose valid signatures count for nothing, each with the reason. */
  readonly uncounted: readonly NamedKey[];
  /** Key ids claimed by further signatures, of keys that the receiver does not know. */
  readonly unknownSigners: readonly string[];
  readonly skipped: boolean;
}

/**
 * The check that {@link Trust} asks for, over raw bytes. Nothing of a bundle is parsed before it has passed. For
 * `verified-bundle.ts` alone: who calls this must not forget {@link judge}.
 */
export function authenticator(trust: Trust | undefined, now: Date): ManifestCheck<Authentication> {
  if (trust === undefined || 'insecureSkipSignature' in trust) {
    return (_manifest, signatures) => ({
      signers: [],
      uncounted: [],
      unknownSigners: [...signatures.keys()],
      skipped: true,
    });
  }
  const known: readonly KnownKey[] = 'store' in trust ? knownKeys(trust.store, now) : trust.publicKeys;
  return (manifest, signatures) => {
    const { signers, uncounted, unknown } = checkSignatures(manifest, signatures, known);
    return {
      signers: signers.map(named),
      uncounted: uncounted.map(named),
      unknownSigners: unknown,
      skipped: false,
    };
  };
}

const named = ({ keyId, name, role, reason, standing }: KnownKey): NamedKey => ({
  keyId,
  name,
  ...(role === undefined ? {} : { role }),
  ...(reason === undefined || standing === 'active' ? {} : { reason }),
});

/** A bundle whose signatures were checked and whose manifest was parsed. */
export interface Subject {
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  readonly authentication: Authentication;
  readonly moment: Moment;
}

/** What a volume remembers of a set, and whether its operator asks to go back. */
export interface Memory {
  readonly seen: SeenBundle | undefined;
  readonly allowDowngrade: boolean;
}

/** Which rules are asked: at a hop, where more signatures are to come, all but how many there must be. */
export type Rules = 'all' | 'all-but-thresholds';

export interface Asking {
  /** @default all */
  readonly rules?: Rules | undefined;
  /** Undefined where there is no volume. */
  readonly memory?: Memory;
}

/** All rules that were applied, and none of them failed. */
export interface Judgement {
  readonly checks: readonly Check[];
  /** Set when the bundle is older than one seen here, and was let in all the same. */
  readonly downgrade?: string;
}

/**
 * Applies everything that {@link Trust} asks besides a signature: dates and how high numbers may be always, the policy of a trust
 * store, and, for a volume, that it does not go back.
 *
 * @param trust undefined where nobody was named: then what holds for everybody is left.
 * @throws PlugferryError for the first rule that failed, with all of them in `details.checks`.
 */
export function judge(trust: Trust | undefined, subject: Subject, { rules, memory }: Asking = {}): Judgement {
  const { manifest, authentication, moment } = subject;
  const rulings: Ruling[] = [...signatureRows(authentication)];
  // What an unsigned manifest says of itself is worth nothing, in either direction.
  if (trust !== undefined && 'insecureSkipSignature' in trust) return { checks: rulings };
  const store = trust !== undefined && 'store' in trust ? trust.store : undefined;
  const now = nowAt(moment);
  if (store !== undefined) {
    const candidate = { ...authentication, manifest, manifestSha256: subject.manifestSha256, now };
    rulings.push(...judgeByPolicy(store, candidate, { thresholds: rules !== 'all-but-thresholds' }));
  }
  const policy = store === undefined ? undefined : policyOf(store, manifest.set);
  rulings.push(...judgeByDates(manifest, moment), ...judgeByReach(manifest, { policy, now }));
  const floor = memory === undefined ? undefined : floorOf(store, subject, memory);
  if (floor !== undefined) rulings.push(floor.ruling);
  const checks = rulings.map(({ check, result, detail }): Check => ({ check, result, detail }));
  const failure = rulings.find(({ error }) => error !== undefined)?.error;
  if (failure !== undefined) throw withChecks(failure, checks);
  return { checks, ...(floor?.downgrade === undefined ? {} : { downgrade: floor.downgrade }) };
}

function floorOf(
  store: TrustStore | undefined,
  { manifest, manifestSha256, moment }: Subject,
  memory: Memory,
): FloorRuling {
  const policy = store === undefined ? undefined : policyOf(store, manifest.set);
  return judgeByFloor({
    manifest,
    manifestSha256,
    seen: memory.seen,
    downgrade: downgradeLeave(store, manifest.set, memory),
    epoch: policy?.epoch,
    store: store?.directory,
    now: nowAt(moment),
  });
}

/** Keys that the operator names are the operator's own policy, and so is going back; a trust store must permit it. */
function downgradeLeave(
  store: TrustStore | undefined,
  set: string,
  { allowDowngrade }: Memory,
): 'not asked' | 'forbidden' | 'permitted' {
  if (!allowDowngrade) return 'not asked';
  if (store === undefined) return 'permitted';
  return policyOf(store, set)?.allowDowngrade === true ? 'permitted' : 'forbidden';
}

function signatureRows({ signers, uncounted, unknownSigners, skipped }: Authentication): Check[] {
  if (skipped)
    return [{ check: 'signature', result: 'skipped', detail: 'nobody is known to have signed this' }];
  return [
    ...signers.map((key): Check => ({ check: 'signature', result: 'passed', detail: describeKey(key) })),
    ...uncounted.map((key): Check => ({
      check: 'signature',
      result: 'ignored',
      detail: `${describeKey(key)} is ${key.reason ?? 'not counted'}`,
    })),
    ...unknownSigners.map((keyId): Check => ({
      check: 'signature',
      result: 'ignored',
      detail: `claims unknown key ${keyId}`,
    })),
  ];
}

/** The error with the list of checks that led to it. */
export const withChecks = (
  { code, message, hint, details, cause }: PlugferryError,
  checks: readonly Check[],
): PlugferryError =>
  new PlugferryError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    details: { ...details, checks },
    ...(cause === undefined ? {} : { cause }),
  });
