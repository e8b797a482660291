import { PlugferryError } from '../errors.js';
import { highestSequence, isBeyond, maxEpoch, maxYearsAhead, type Place } from '../plugin/numbering.js';
import type { Manifest } from '../schema/manifest.js';
import type { SetPolicy } from '../schema/trust.js';
import { failed, passed, type Ruling } from './rule-result.js';

/** What bounds the numbers of a bundle. */
export interface Reach {
  /** The policy of its set, where there is one: `maxSequence` is the word of the receiver's root. */
  readonly policy: SetPolicy | undefined;
  readonly now: Date;
}

/**
 * How high the numbers of a bundle may be, whoever trusts it. A floor is never lowered, so one signature over an absurdly high number
 * would end a set for ever.
 */
export const judgeByReach = (
  { set, epoch, sequence }: Pick<Manifest, 'set'> & Place,
  reach: Reach,
): readonly Ruling[] => [
  ...(isBeyond({ epoch }) ? [beyondEpoch(epoch)] : []),
  ...sequenceRulings(set, sequence, reach),
];

/** A policy's own rule has a line in every report; the one for everybody only where it failed. */
function sequenceRulings(set: string, sequence: number, { policy, now }: Reach): Ruling[] {
  const named = policy?.maxSequence;
  const highest = named ?? highestSequence(now);
  if (sequence <= highest) {
    return named === undefined ? [] : [passed('highest sequence', `${sequence}, at most ${named}`)];
  }
  const reason =
    named === undefined
      ? `which is ${maxYearsAhead} years ahead of the clock in seconds`
      : 'the highest that the trust store takes';
  const error = new PlugferryError(
    'E_SEQUENCE',
    `sequence ${sequence} of set "${set}" is higher than ${highest}, ${reason}`,
    {
      hint:
        'Nothing could follow such a bundle. Find out who signed it, and have it exported again without --sequence, or with a ' +
        `counter. Where a set is counted so, its policy says it: plugferry trust set DIR ${set} --max-sequence NUMBER`,
      details: { set, expected: highest, found: sequence },
    },
  );
  return [failed('highest sequence', error)];
}

const beyondEpoch = (epoch: number): Ruling =>
  failed(
    'epoch',
    new PlugferryError('E_EPOCH', `this bundle is of epoch ${epoch}, the highest is ${maxEpoch}`, {
      hint: 'Epochs go up by one, when the root of the receiver begins a new one. Have it exported again with that.',
      details: { expected: maxEpoch, found: epoch },
    }),
  );

/**
 * Refuses numbers that a receiver would refuse.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function demandReach(place: Pick<Manifest, 'set'> & Place, reach: Reach): void {
  const error = judgeByReach(place, reach).find((ruling) => ruling.error !== undefined)?.error;
  if (error === undefined) return;
  throw new PlugferryError('E_USAGE', `receivers would refuse it: ${error.message}`, {
    hint:
      error.code === 'E_EPOCH'
        ? `Give --epoch a number up to ${maxEpoch}: the one that the policy of the receiver names, or none.`
        : 'Leave --sequence out (the second of creation), or give a counter. Where the receivers have a policy with --max-sequence, ' +
          'give their trust store with --trust.',
    details: error.details,
  });
}
