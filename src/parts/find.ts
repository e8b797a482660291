import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError } from '../files/file-errors.js';
import { looksLikePart } from './part-file.js';

/**
 * The part files in a directory, by what is in them; nothing of what lies beside them. Ascending by name.
 *
 * @throws PlugferryError `E_IO`.
 */
export async function partsIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw ioError(error, directory);
  });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => join(directory, name))
    .sort();
  const found: string[] = [];
  for (const path of paths) if (await looksLikePart(path)) found.push(path);
  return found;
}
