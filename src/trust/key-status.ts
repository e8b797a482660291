import type { StoredKey } from '../schema/trust.js';

/** Whether the receiver lets a key count, and if not, why. */
export type Standing = 'active' | 'retired' | 'revoked' | 'expired' | 'not yet valid';

/**
 * The standing of a key at a moment. There is no trusted timestamp on a signature, so the moment is that of the check, never
 * one that the bundle names: a leaked old key could backdate.
 */
export function standingOf({ status, notBefore, notAfter }: StoredKey, now: Date): Standing {
  if (status !== 'active') return status;
  if (notAfter !== undefined && now.getTime() > Date.parse(notAfter)) return 'expired';
  if (notBefore !== undefined && now.getTime() < Date.parse(notBefore)) return 'not yet valid';
  return 'active';
}

/** The standing in words, with its date. */
export function describeStanding(standing: Standing, { notBefore, notAfter }: Partial<StoredKey>): string {
  if (standing === 'expired') return `expired on ${notAfter ?? 'an earlier date'}`;
  if (standing === 'not yet valid') return `not valid before ${notBefore ?? 'a later date'}`;
  return standing;
}
