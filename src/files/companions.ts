import { rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  createPartial,
  isSame,
  publish,
  refuseExisting,
  type CommitOptions,
  type Publication,
} from './atomic-file.js';
import { ioError } from './file-errors.js';
import { syncDirectory } from './sync-directory.js';

/** A small file that says something of another one, and is worth nothing beside any other. */
export interface Companion {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** What is to lie beside a file. */
export interface Companions<T> {
  /** Names that stand for a companion of this file, and so of nothing else: what is there belongs to the file before. */
  readonly names: readonly string[];
  /** Makes those of the complete file, in the order in which they are to appear. */
  readonly make: (written: T) => Promise<readonly Companion[]>;
}

/**
 * As `committedFile`, with companions: a file never stands beside those of another. Old ones are gone for good before the new
 * file takes its name, and new ones appear behind it. Whoever reads in between finds a file without companions. When these
 * cannot be written, a file that has replaced another stays.
 *
 * @throws PlugferryError `E_EXISTS` (also for a companion that is there), `E_CONFLICT`, `E_NO_SPACE`, `E_IO`, or what `fill` and
 *   `make` throw.
 */
export async function committedWithCompanions<T>(
  path: string,
  { force, mode = 0o644, signal, companions }: CommitOptions & { readonly companions: Companions<T> },
  fill: (file: FileHandle) => Promise<T>,
): Promise<T> {
  for (const name of [path, ...companions.names]) await refuseExisting(name, force);
  const files: Publication[] = [];
  const published = new Set<Publication>();
  const add = async (name: string, permissions: number): Promise<FileHandle> => {
    const partial = `${name}.partial`;
    const handle = await createPartial(partial, permissions);
    files.push({ handle, partial, path: name, force });
    return handle;
  };
  let complete = false;
  try {
    const result = await fill(await add(path, mode));
    for (const { path: name, bytes } of await companions.make(result))
      await (await add(name, 0o644)).writeFile(bytes);
    for (const { handle } of files) await handle.sync();
    signal?.throwIfAborted();
    if (force) await retire(companions.names);
    for (const file of files) {
      await publish(file);
      published.add(file);
      // One by one: after a loss of power, too, nothing stands without what came before it.
      await syncDirectory(dirname(path));
    }
    complete = true;
    return result;
  } catch (error) {
    throw ioError(error, files.find((file) => !published.has(file))?.path ?? path);
  } finally {
    for (const [index, file] of files.entries()) {
      const stays = complete || (force && index === 0 && published.has(file));
      const name = published.has(file) ? file.path : file.partial;
      if (!stays && (await isSame(file.handle, name))) await rm(name, { force: true });
      await file.handle.close();
    }
  }
}

/** Removes companions of what is about to be replaced, the last first, and makes that durable. */
export async function retire(names: readonly string[]): Promise<void> {
  try {
    for (const name of names.toReversed()) await rm(name, { force: true });
    for (const directory of new Set(names.map((name) => dirname(name)))) await syncDirectory(directory);
  } catch (error) {
    throw ioError(error, names[0] ?? '');
  }
}
