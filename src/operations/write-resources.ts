import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { committedSet } from '../files/atomic-files.js';
import { refuseExisting } from '../files/atomic-file.js';
import { ioError } from '../files/file-errors.js';
import type { RenderedResource } from '../resource/rendered.js';

/** How resources lie in a directory: for `kubectl apply -f DIR`, or as a standalone Higress reads them below its data directory. */
export type ResourceLayout = 'kubernetes' | 'standalone';

export interface WriteResourcesOptions {
  readonly directory: string;
  readonly layout: ResourceLayout;
  /** Replace existing files. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Writes resources to files, `<name>.yaml` each: all of them, or none. One that holds secrets is readable for its owner only.
 *
 * @returns the file of each, in order.
 * @throws PlugferryError `E_EXISTS`, `E_NO_SPACE`, `E_IO`.
 */
export async function writeResources(
  resources: readonly RenderedResource[],
  { directory, layout, force = false, signal }: WriteResourcesOptions,
): Promise<string[]> {
  const folder = folderOf(directory, layout);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw ioError(error, folder);
  });
  const mode = resources.some(({ filled }) => filled.length > 0) ? 0o600 : 0o644;
  const files = resources.map(({ name }) => join(folder, `${name}.yaml`));
  await committedSet({ force, mode, ...(signal === undefined ? {} : { signal }) }, async (add) => {
    for (const [index, { text }] of resources.entries()) {
      const file = await add(resolve(files[index] ?? ''));
      await file.writeFile(text);
    }
  });
  return files;
}

/** @throws PlugferryError `E_EXISTS` for a file that {@link writeResources} would refuse; for whoever does something else before. */
export async function refuseExistingResources(
  resources: readonly Pick<RenderedResource, 'name'>[],
  { directory, layout, force = false }: WriteResourcesOptions,
): Promise<void> {
  for (const { name } of resources)
    await refuseExisting(join(folderOf(directory, layout), `${name}.yaml`), force);
}

const folderOf = (directory: string, layout: ResourceLayout): string =>
  layout === 'standalone' ? join(directory, 'wasmplugins') : directory;
