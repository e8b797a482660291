import { PlugferryError } from '../errors.js';
import { faultOf } from '../release/release.js';
import { parseDocument } from '../schema/parse.js';
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
  const context = { file, code: 'E_RELEASE', hint: wayOut } as const;
  const release = parseDocument('release', await layout.files.readFile(file), context);
  const reason = faultOf(release, id);
  if (reason === undefined) return release;
  throw new PlugferryError('E_RELEASE', `${file}: ${reason}`, {
    hint: wayOut,
    details: { file, found: reason },
  });
}
