import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import { maxReleaseBytes, maxStateBytes } from '../plugin/limits.js';
import { parseRelease } from '../release/parse.js';
import { parseDocument } from '../schema/parse.js';
import type { Release } from '../schema/release.js';

export const damageHint =
  'The volume is damaged. Run `plugferry verify` on it, then import the bundle again or roll back to a release that is whole.';

/**
 * What a volume says of one of its releases, read as strictly as `list` and `import` read it.
 *
 * @param directory `<volume>/.plugferry/releases/<id>`, all links resolved.
 * @throws PlugferryError `E_RELEASE` when release.json is not that of this directory, or the state of the volume is damaged.
 */
export async function readRecord(directory: string): Promise<Release> {
  const file = join(directory, 'release.json');
  const bytes = await readSmallFile(file, 'release record', maxReleaseBytes).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  await demandState(join(dirname(dirname(directory)), 'state.json'));
  return parseRelease(bytes, basename(directory), { file, hint: damageHint });
}

/** The state has no say in what is served; but a volume whose memory is damaged is one that no other command goes on with. */
async function demandState(file: string): Promise<void> {
  try {
    const bytes = await readSmallFile(file, 'volume state', maxStateBytes);
    parseDocument('state', bytes, { file, code: 'E_RELEASE', hint: damageHint });
  } catch (error) {
    const isAbsent = isPlugferryError(error) && systemCode(error.cause) === 'ENOENT';
    if (!isAbsent)
      throw isPlugferryError(error) && error.code === 'E_RELEASE' ? error : unreadable(file, error);
  }
}

/** Whether a directory is the control area of a volume into which something was imported, however little is left of it. */
export async function holdsReleases(control: string): Promise<boolean> {
  const [own, releases] = await Promise.all([namesIn(control), namesIn(join(control, 'releases'))]);
  return own.includes('state.json') || releases.length > 0;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return [];
    throw unreadable(directory, error);
  }
}

const unreadable = (file: string, cause: unknown): PlugferryError =>
  new PlugferryError('E_RELEASE', `${file} cannot be read`, {
    hint: damageHint,
    details: { file },
    cause,
  });
