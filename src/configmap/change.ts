import type { Expected } from '../stream/digest.js';
import { formatBytes } from '../stream/text.js';
import type { ReleaseChange } from '../release/change.js';
import { compress, type Blob } from './blob.js';
import { overBudget } from './budget.js';
import { isThere, keptRelease, keptReleases, openPlace, type OpenPlace } from './open.js';
import { publish, type ConfigMapChangeOptions } from './publish.js';
import type { ConfigMapStore } from './store.js';

/**
 * Hands out one change of the ConfigMaps of a place. Shards are written when it is published, the index last; until then
 * nothing that a server reads is touched. Nobody is locked out: of two runs at once the second one to finish is refused.
 *
 * @throws PlugferryError `E_CONFLICT`, `E_LOCKED`, `E_RELEASE`, `E_LIMIT` for more than `maxBytes`, and what the store throws.
 */
export async function changeConfigMaps<T>(
  store: ConfigMapStore,
  options: ConfigMapChangeOptions,
  change: (place: ReleaseChange) => Promise<T>,
): Promise<T> {
  const place = await openPlace(store, options.signal);
  const current = place.index === undefined ? undefined : await keptRelease(place, place.index.current);
  const { whole, damaged } = await keptReleases(place);
  const received = new Map<string, Blob>();
  const warnings = [...damaged.values()];
  return change({
    current: current?.release,
    plain: false,
    state: place.state,
    warnings,
    prepare: async (files) =>
      new Set(files.map(({ sha256 }) => sha256).filter((sha256) => !has(place, sha256))),
    receive: async (expected, bytes) => {
      const blob = await compress(bytes, expected, limitsOf(received, options, expected));
      received.set(blob.sha256, blob);
    },
    publish: async (next) => ({
      ...(await publish({ place, options, received, kept: whole }, next, current?.release)),
      warnings,
    }),
  });
}

const has = ({ index, shards }: OpenPlace, sha256: string): boolean =>
  isThere(
    index?.blobs.find((blob) => blob.sha256 === sha256),
    shards,
  );

function limitsOf(
  received: ReadonlyMap<string, Blob>,
  { maxBytes }: ConfigMapChangeOptions,
  { path }: Expected,
) {
  const so = [...received.values()].reduce((sum, { stored }) => sum + stored.length, 0);
  return {
    limit: maxBytes - so,
    tooLarge: () => overBudget(`more than ${formatBytes(maxBytes)} (at ${path})`, maxBytes),
  };
}
