import { join } from 'node:path';
import { exposuresOf, Judge, type Reliance } from '../files/writable-by-others.js';
import type { FileStatus } from '../files/file-system.js';
import { lstatIfThere, orIfMissing } from './disk.js';
import type { VolumeLayout } from './layout.js';

/** What others than the owner of a volume could change. */
export interface Exposed {
  readonly path: string;
  readonly found: string;
}

interface Entry {
  readonly path: string;
  readonly status: FileStatus;
}

/**
 * What others could change: the directories on the way to the volume, its root, and everything in its control area that belongs
 * to somebody else than root and the owner of that area, that others may write, that is a symbolic link, or that has a name
 * outside.
 */
export async function* exposedIn(
  layout: VolumeLayout,
  safe: readonly string[] = [],
): AsyncGenerator<Exposed> {
  const { files, root, control } = layout;
  if (await files.isReadOnly(root)) return;
  const area = await lstatIfThere(files, control);
  const owner = area?.uid ?? files.user;
  const reliance: Reliance = { users: owner === undefined ? 'untold' : [owner], files, safe };
  const { refused } = await exposuresOf(root, reliance);
  for (const { place, found } of refused) yield { path: place, found };
  if (area === undefined) return;
  const judge = new Judge(files, reliance.users);
  const entries = await entriesOf(layout);
  for (const { path, status } of entries) {
    const found = await troubleOf(judge, status);
    if (found !== undefined) yield { path, found };
  }
  yield* otherNames(layout, entries);
}

/** Our directories and state have no other mode than we gave them; what was adopted may be writable for the owner's own group. */
async function troubleOf(judge: Judge, status: FileStatus): Promise<string | undefined> {
  if (status.isSymbolicLink()) return 'is a symbolic link';
  return judge.foreignOwner(status) ?? (await judge.writers(status));
}

/** The control area and everything in it, a directory before what it holds. */
async function entriesOf(layout: VolumeLayout): Promise<Entry[]> {
  const found: Entry[] = [];
  const visit = async (path: string): Promise<void> => {
    const status = await lstatIfThere(layout.files, path);
    if (status === undefined) return;
    found.push({ path, status });
    if (!status.isDirectory()) return;
    for (const name of (await orIfMissing(layout.files.readdir(path), [])).toSorted())
      await visit(join(path, name));
  };
  await visit(layout.control);
  return found;
}

/** Files with more names than there are in the control area. A run that goes on meanwhile makes and removes some: looked twice. */
async function* otherNames(layout: VolumeLayout, entries: readonly Entry[]): AsyncGenerator<Exposed> {
  const suspects = excessOf(entries);
  if (suspects.size === 0) return;
  for (const [path, found] of excessOf(await entriesOf(layout)))
    if (suspects.has(path)) yield { path, found };
}

function excessOf(entries: readonly Entry[]): Map<string, string> {
  const names = new Map<string, Entry[]>();
  for (const entry of entries) {
    const { identity, nlink } = entry.status;
    if (!entry.status.isFile() || identity === undefined || nlink === undefined) continue;
    names.set(identity, [...(names.get(identity) ?? []), entry]);
  }
  return new Map(
    [...names.values()].flatMap(([first, ...more]) => {
      const links = first?.status.nlink ?? 1;
      const known = more.length + 1;
      if (first === undefined || links <= known) return [];
      return [
        [first.path, `has ${links} names, expected ${known}: it can be changed from elsewhere`] as const,
      ];
    }),
  );
}
