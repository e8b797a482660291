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

/** Opens one more file of a set, for writing and reading. It gets its name together with all the others. */
export type AddFile = (path: string) => Promise<FileHandle>;

/**
 * Writes several files so that no name appears before all of them are complete and durable; like `committedFile`, for files that
 * are of use only together. When anything fails, none of them stays (what `force` replaced is gone, though).
 *
 * @throws PlugferryError `E_EXISTS`, `E_CONFLICT`, `E_NO_SPACE`, `E_IO`, or what `fill` throws.
 */
export async function committedSet<T>(
  options: CommitOptions & {
    /** Runs when all files are complete and none has its name yet. */
    readonly beforePublishing?: () => Promise<void>;
  },
  fill: (add: AddFile) => Promise<T>,
): Promise<T> {
  const files: Publication[] = [];
  const published = new Set<Publication>();
  const add: AddFile = async (path) => {
    await refuseExisting(path, options.force);
    const partial = `${path}.partial`;
    const handle = await createPartial(partial, options.mode ?? 0o644);
    files.push({ handle, partial, path, force: options.force });
    return handle;
  };
  let complete = false;
  try {
    const result = await fill(add);
    for (const { handle } of files) await handle.sync();
    options.signal?.throwIfAborted();
    await options.beforePublishing?.();
    for (const file of files) {
      await publish(file);
      published.add(file);
    }
    for (const directory of new Set(files.map(({ path }) => dirname(path)))) await syncDirectory(directory);
    complete = true;
    return result;
  } catch (error) {
    throw ioError(error, files.find((file) => !published.has(file))?.path ?? '');
  } finally {
    for (const file of files) {
      const name = published.has(file) ? file.path : file.partial;
      if (!complete && (await isSame(file.handle, name))) await rm(name, { force: true });
      await file.handle.close();
    }
  }
}
