import { PlugferryError } from '../errors.js';
import { releaseBefore } from '../release/before.js';
import type { Published } from '../release/change.js';
import { releaseByPrefix, shortId } from '../release/select.js';
import type { Release } from '../schema/release.js';
import { activate, currentId } from './activate.js';
import { audited } from './change.js';
import { damageIn, mendRelease, repairEverywhere } from './health.js';
import { withVolume } from './open.js';
import type { OpenVolume } from './open-volume.js';
import { audit } from './record.js';
import { BlobStore } from './store.js';
import type { VolumeOptions } from './volume.js';

export interface RollbackTarget {
  /** Beginning of a release id. @default the release that the current one replaced */
  readonly to?: string;
}

/**
 * Switches to a kept release; the anti-rollback floor stays where it is. Going back twice goes back two steps: the release
 * before the current one is the one that its import replaced, whatever was rolled back in between.
 *
 * @throws PlugferryError `E_NOT_FOUND` when there is no such release or nothing to go back to, `E_RELEASE` when its files
 * are damaged and the store does not have them either, and as {@link changeVolume}.
 */
export async function rollback(
  root: string,
  target: RollbackTarget,
  options: VolumeOptions,
): Promise<Published> {
  return withVolume(root, { ...options, demand: 'volume' }, async (volume) =>
    audited(volume, 'rollback', async () => {
      const release = releaseToReturnTo(volume, target);
      const damage = await damageIn(volume, release);
      const store = new BlobStore(volume);
      await mendRelease(volume, { release, damage, store });
      await repairEverywhere(volume, store);
      const previous = currentId(volume);
      const outcome = previous === release.id ? 'unchanged' : 'published';
      options.signal?.throwIfAborted();
      if (outcome === 'published') await activate(volume, { id: release.id, action: 'rollback' });
      await record(volume, { release, previous, outcome });
      return { release, previous, outcome, warnings: [...volume.warnings] };
    }),
  );
}

async function record(
  volume: OpenVolume,
  { release, previous, outcome }: Omit<Published, 'warnings'>,
): Promise<void> {
  await audit(volume, {
    action: 'rollback',
    result: outcome === 'published' ? 'done' : 'unchanged',
    release: release.id,
    ...(previous === undefined ? {} : { previous }),
  });
}

function releaseToReturnTo(volume: OpenVolume, { to }: RollbackTarget): Release {
  const { complete, damaged } = volume.releases;
  const current = currentId(volume);
  const id =
    to === undefined
      ? releaseBefore(volume.state, current, complete)
      : releaseByPrefix(to, [...complete.keys(), ...damaged.keys()]);
  const release = id === undefined ? undefined : complete.get(id);
  if (release !== undefined) return release;
  const failure = id === undefined ? undefined : damaged.get(id);
  throw failure ?? nothingBefore(volume, current);
}

function nothingBefore({ layout, releases }: OpenVolume, current: string | undefined): PlugferryError {
  const others = [...releases.complete.keys()].filter((id) => id !== current).map(shortId);
  const from = current === undefined ? 'nothing was imported yet' : `nothing came before ${shortId(current)}`;
  return new PlugferryError('E_NOT_FOUND', `${layout.root}: no release to go back to: ${from}`, {
    hint:
      others.length === 0
        ? 'There is no other release; "plugferry import" brings one.'
        : `Name the release with --to; kept are ${others.join(', ')}.`,
    details: { file: layout.root },
  });
}
