import { PlugferryError } from '../errors.js';
import type { Manifest } from '../schema/manifest.js';
import type { SeenBundle } from '../schema/state.js';
import { failed, passed, type Ruling } from './ruling.js';

/** A bundle before the newest one of its set that was verified here. */
export interface Arrival {
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  /** Undefined for a set that was never seen here. */
  readonly seen: SeenBundle | undefined;
  /** What the operator and the receiver's policy say about going back. */
  readonly downgrade: 'not asked' | 'forbidden' | 'permitted';
}

/** The anti-rollback rule, and whether it was passed only because a downgrade was asked for and permitted. */
export interface FloorRuling {
  readonly ruling: Ruling;
  /** What is to be logged and kept with the release. */
  readonly downgrade?: string;
}

/** Security page 1.5: a bundle is newer than the newest one seen, or is that very bundle. Epochs come before sequences. */
export function judgeByFloor(arrival: Arrival): FloorRuling {
  const { manifest, manifestSha256, seen, downgrade } = arrival;
  const place = describe(manifest);
  if (seen === undefined)
    return { ruling: passed('sequence', `${place}; the first of set ${manifest.set} here`) };
  if (isNewer(manifest, seen)) {
    return { ruling: passed('sequence', `${place}, after ${describe(seen)}`) };
  }
  if (isNewer(seen, manifest)) {
    if (downgrade !== 'permitted') return { ruling: failed('sequence', rollback(arrival, seen)) };
    const note = `downgrade of set ${manifest.set} from ${describe(seen)} to ${place}, as --allow-downgrade asked`;
    return { ruling: passed('sequence', note), downgrade: note };
  }
  if (seen.manifestSha256 !== manifestSha256)
    return { ruling: failed('sequence', equivocation(arrival, seen)) };
  return { ruling: passed('sequence', `${place}, seen here before`) };
}

type Place = Pick<Manifest, 'epoch' | 'sequence'>;

const isNewer = (a: Place, b: Place): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);

const describe = ({ epoch, sequence }: Place): string => `sequence ${sequence} of epoch ${epoch}`;

function rollback({ manifest, downgrade }: Arrival, seen: SeenBundle): PlugferryError {
  const hint =
    'Import the newest bundle of this set, or go back to a release that is kept here with "plugferry rollback". Bundles of ' +
    'which neither replaces the other belong in sets of their own (export --set).';
  return new PlugferryError(
    'E_ROLLBACK',
    `this bundle is ${describe(manifest)} of set "${manifest.set}", but ${describe(seen)} (created ${seen.createdAt}) was ` +
      `already seen here; needed is a higher sequence than ${seen.sequence}` +
      (downgrade === 'forbidden' ? '. The policy of this set does not permit --allow-downgrade' : ''),
    {
      hint,
      details: {
        set: manifest.set,
        expected: seen.sequence + 1,
        found: manifest.sequence,
        seen: { epoch: seen.epoch, sequence: seen.sequence, manifestSha256: seen.manifestSha256 },
      },
    },
  );
}

const equivocation = ({ manifest, manifestSha256 }: Arrival, seen: SeenBundle): PlugferryError =>
  new PlugferryError(
    'E_EQUIVOCATION',
    `another bundle with the same ${describe(manifest)} of set "${manifest.set}" was already seen here`,
    {
      hint:
        'Two bundles claim the same place. Ask the sender which is right, compare the two manifest digests, and have the right ' +
        'one exported again with a higher --sequence.',
      details: { set: manifest.set, expected: seen.manifestSha256, found: manifestSha256 },
    },
  );
