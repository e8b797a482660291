import type { layOut } from '../bundle/build-manifest.js';
import { PlugferryError } from '../errors.js';
import { firstEpoch } from '../plugin/numbering.js';
import { policyOf } from '../trust/policy.js';
import { demandReach, type Reach } from '../trust/reach.js';
import type { Trust } from '../verification/authenticate.js';
import { tool } from '../version.js';

/** What a bundle says of itself, besides its plugins. */
export interface LabelOptions {
  /** Name of the plugin set. @default default */
  readonly set?: string;
  /** @default 1 */
  readonly epoch?: number;
  /** Grows with every bundle of a set; at most ten years of seconds ahead of the clock. @default the second of `createdAt` */
  readonly sequence?: number;
  /** Environments the bundle is meant for; none means any. */
  readonly audience?: readonly string[];
  /** Time of creation, to the second. @default now */
  readonly createdAt?: Date;
  /** Last second in which it may be imported; must come after `createdAt`. */
  readonly expiresAt?: Date;
  /**
   * Whose signatures a bundle must have that plugins are taken from; a policy for {@link set} in a trust store also says how high its
   * sequence may be. @default nobody's, so that it is refused
   */
  readonly trust?: Trust;
}

/** The manifest's time format has whole seconds. */
const toSeconds = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;

/**
 * What the manifest of a new bundle begins with.
 *
 * @throws PlugferryError `E_USAGE` for an expiry before the creation, or for numbers that no receiver would take.
 */
export function labelOf(options: LabelOptions): Parameters<typeof layOut>[1] {
  const { createdAt = new Date(), expiresAt } = options;
  if (expiresAt !== undefined && expiresAt <= createdAt) throw bornExpired(createdAt, expiresAt);
  const set = options.set ?? 'default';
  const epoch = options.epoch ?? firstEpoch;
  const sequence = options.sequence ?? Math.floor(createdAt.getTime() / 1000);
  demandReach({ set, epoch, sequence }, reachOfSet(set, createdAt, options));
  return {
    set,
    epoch,
    sequence,
    audience: [...(options.audience ?? [])],
    createdAt: toSeconds(createdAt),
    ...(expiresAt === undefined ? {} : { expiresAt: toSeconds(expiresAt) }),
    tool,
  };
}

/** What receivers take: from the moment of creation on, which may lie behind us for the sake of equal bytes. */
const reachOfSet = (set: string, createdAt: Date, { trust }: LabelOptions): Reach => ({
  policy: trust !== undefined && 'store' in trust ? policyOf(trust.store, set) : undefined,
  now: new Date(Math.max(Date.now(), createdAt.getTime())),
});

const bornExpired = (createdAt: Date, expiresAt: Date): PlugferryError =>
  new PlugferryError(
    'E_USAGE',
    `the bundle would expire at ${toSeconds(expiresAt)}, before it is created at ${toSeconds(createdAt)}`,
    { hint: 'Name a later time of expiry.', details: { found: toSeconds(expiresAt) } },
  );
