import { parseRelease } from '../release/parse.js';
import type { Release } from '../schema/release.js';
import { releaseFile, type VolumeLayout } from './layout.js';

/** What to do about a release that cannot be used. */
export const wayOut =
  'Go back to a complete release with "plugferry rollback --to ID"; "plugferry history" lists them.';

/**
 * Reads `release.json` and proves that it is what its directory says.
 *
 * @throws PlugferryError `E_RELEASE`.
 */
export async function readRelease(layout: VolumeLayout, id: string): Promise<Release> {
  const file = releaseFile(layout, id);
  return parseRelease(await layout.files.readFile(file), id, { file, hint: wayOut });
}
