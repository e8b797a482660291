import { PlugferryError } from '../errors.js';
import {
  describePlace,
  firstEpoch,
  highestSequence,
  isAfter,
  isBeyond,
  maxEpoch,
  maxYearsAhead,
  type Place,
} from '../plugin/numbering.js';
import type { Manifest } from '../schema/manifest.js';
import type { SeenBundle } from '../schema/state.js';
import { failed, passed, type Ruling } from './rule-result.js';

/** A bundle before the newest one of its set that was verified here. */
export interface Arrival {
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  /** Undefined for a set that was never seen here. */
  readonly seen: SeenBundle | undefined;
  /** What the operator and the receiver's policy say about going back. */
  readonly downgrade: 'not asked' | 'forbidden' | 'permitted';
  /** The epoch that the root of the receiver named in the policy of the set. */
  readonly epoch: number | undefined;
  /** Where that policy is; undefined for a receiver who named keys only. */
  readonly store: string | undefined;
  readonly now: Date;
}

/** The anti-rollback rule, and whether it was passed only because a downgrade was asked for and permitted. */
export interface FloorRuling {
  readonly ruling: Ruling;
  /** What is to be logged and kept with the release. */
  readonly downgrade?: string;
}

/**
 * Security page 1.5: a bundle is newer than the newest one seen, or is that very bundle. Only the root of the receiver begins an epoch,
 * by naming it in the policy: else one stolen key could end a set by signing the last of all epochs.
 */
export function judgeByFloor(arrival: Arrival): FloorRuling {
  const { manifest, manifestSha256, seen, downgrade } = arrival;
  const place = describePlace(manifest);
  if (isUnheardOf(arrival)) return { ruling: failed('epoch', unheardOf(arrival)) };
  if (seen === undefined)
    return { ruling: passed('sequence', `${place}; the first of set ${manifest.set} here`) };
  if (follows(arrival, seen)) {
    return { ruling: passed('sequence', `${place}, after ${describePlace(seen)}`) };
  }
  if (manifest.epoch !== seen.epoch || manifest.sequence !== seen.sequence) {
    if (downgrade !== 'permitted') return { ruling: failed('sequence', rollback(arrival, seen)) };
    const note = `downgrade of set ${manifest.set} from ${describePlace(seen)} to ${place}, as --allow-downgrade asked`;
    return { ruling: passed('sequence', note), downgrade: note };
  }
  if (seen.manifestSha256 !== manifestSha256)
    return { ruling: failed('sequence', equivocation(arrival, seen)) };
  return { ruling: passed('sequence', `${place}, seen here before`) };
}

/** Without a policy that names one, the epoch is the one that was seen already, or the first. */
const isUnheardOf = ({ manifest, seen, epoch }: Arrival): boolean =>
  epoch === undefined && manifest.epoch > Math.max(seen?.epoch ?? firstEpoch, firstEpoch);

/** What was seen beyond the last of all epochs only the root gets over. */
const follows = ({ manifest, epoch }: Arrival, seen: SeenBundle): boolean =>
  isAfter(manifest, seen) && (!isBeyond(seen) || epoch === manifest.epoch);

function unheardOf(arrival: Arrival): PlugferryError {
  const { manifest, seen } = arrival;
  const expected = seen?.epoch ?? firstEpoch;
  return new PlugferryError(
    'E_EPOCH',
    `this bundle is of epoch ${manifest.epoch}; ${seen === undefined ? 'a set begins here with' : `seen here of set "${manifest.set}" was`} epoch ` +
      `${expected}, and no policy names another`,
    {
      hint:
        `Have it exported again with --epoch ${expected}. Only who owns this side begins a new epoch: ` +
        beginning(arrival, manifest.epoch),
      details: { set: manifest.set, expected, found: manifest.epoch },
    },
  );
}

/** The commands that begin an epoch. */
const beginning = ({ manifest: { set }, store }: Arrival, epoch: number): string =>
  store === undefined
    ? `plugferry trust init ./trust && plugferry trust add ./trust SENDER.pub --name sender --role sender && ` +
      `plugferry trust set ./trust ${set} --require sender=1 --epoch ${epoch}; from then on give --trust ./trust in place of --public-key`
    : `plugferry trust set ${store} ${set} --epoch ${epoch}`;

/** An epoch that nothing seen here stands in the way of, and nothing that the sender has made yet. */
const nextEpoch = ({ manifest }: Arrival, seen: Place): number =>
  1 + (isBeyond(seen) ? Math.min(manifest.epoch, maxEpoch - 1) : Math.max(manifest.epoch, seen.epoch));

/** How to go on after a number that was signed by mistake, or with a stolen key. */
function repair(arrival: Arrival, seen: SeenBundle): string {
  const next = nextEpoch(arrival, seen);
  if (next > maxEpoch) return 'No epoch is left: give the set another name (export --set).';
  return (
    `Was ${describePlace(seen)} signed by mistake, or with a stolen key? Revoke that; then begin an epoch, in which sequences start anew: ` +
    `${beginning(arrival, next)}; then have the bundle exported again with --epoch ${next}.`
  );
}

/** Whether what was seen is so high that nothing in its epoch may follow it now. */
const isDeadEnd = ({ now }: Arrival, seen: SeenBundle): boolean =>
  isBeyond(seen) || seen.sequence >= highestSequence(now);

function rollback(arrival: Arrival, seen: SeenBundle): PlugferryError {
  const { manifest, downgrade, now } = arrival;
  const isEnd = isDeadEnd(arrival, seen);
  const usual =
    'Import the newest bundle of this set, or go back to a release that is kept here with "plugferry rollback". Bundles of ' +
    'which neither replaces the other belong in sets of their own (export --set). ';
  const needed = isBeyond(seen)
    ? `which is beyond epoch ${maxEpoch}, the last of all: nothing follows it`
    : isEnd
      ? `which is more than ${maxYearsAhead} years ahead of the clock in seconds (${highestSequence(now)}): nothing of its epoch follows it`
      : `needed is a higher sequence than ${seen.sequence}`;
  return new PlugferryError(
    'E_ROLLBACK',
    `this bundle is ${describePlace(manifest)} of set "${manifest.set}", but ${describePlace(seen)} (created ${seen.createdAt}) was ` +
      `already seen here; ${needed}` +
      (downgrade === 'forbidden' ? '. The policy of this set does not permit --allow-downgrade' : ''),
    {
      hint: `${isEnd ? '' : usual}${repair(arrival, seen)}`,
      details: {
        set: manifest.set,
        ...(isEnd ? {} : { expected: seen.sequence + 1 }),
        found: manifest.sequence,
        seen: { epoch: seen.epoch, sequence: seen.sequence, manifestSha256: seen.manifestSha256 },
      },
    },
  );
}

function equivocation(arrival: Arrival, seen: SeenBundle): PlugferryError {
  const { manifest, manifestSha256 } = arrival;
  const usual =
    'Two bundles claim the same place. Ask the sender which is right, compare the two manifest digests, and have the right ' +
    'one exported again with a higher --sequence. ';
  return new PlugferryError(
    'E_EQUIVOCATION',
    `another bundle with the same ${describePlace(manifest)} of set "${manifest.set}" was already seen here`,
    {
      hint: `${isDeadEnd(arrival, seen) ? '' : usual}${repair(arrival, seen)}`,
      details: { set: manifest.set, expected: seen.manifestSha256, found: manifestSha256 },
    },
  );
}
