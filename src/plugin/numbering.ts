/** Where a bundle stands among those of its set. */
export interface Place {
  readonly epoch: number;
  readonly sequence: number;
}

/** Highest epoch. Epochs are begun by hand, by the receiver's root, one at a time: a higher one is a mistake or an attack. */
export const maxEpoch = 10_000;

/** The one that a receiver takes who has seen none and whose policy names none. */
export const firstEpoch = 1;

/** How many years a sequence may be ahead of the clock: enough for any counter and any clock, too little to end a set for ever. */
export const maxYearsAhead = 10;

/**
 * The highest sequence that is taken where no policy says otherwise. A sequence is by default the second (of 1970) of creation, or a
 * counter that somebody keeps, which is lower. One that was signed by mistake or with a stolen key can thus always be followed.
 */
export const highestSequence = (now: Date): number =>
  Math.floor(now.getTime() / 1000) + maxYearsAhead * 31_557_600;

/**
 * Whether `a` comes after `b`. Epochs come before sequences; and any epoch comes after one beyond {@link maxEpoch}, which none could
 * follow: earlier versions took those.
 */
export function isAfter(a: Place, b: Place): boolean {
  if (isBeyond(a) !== isBeyond(b)) return isBeyond(b);
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);
}

/** Whether the epoch is one that nobody may begin. */
export const isBeyond = ({ epoch }: Pick<Place, 'epoch'>): boolean => epoch > maxEpoch;

export const describePlace = ({ epoch, sequence }: Place): string => `sequence ${sequence} of epoch ${epoch}`;
