import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { refuseExisting } from '../files/atomic-file.js';
import { committedWithCompanions, type Companions } from '../files/companions.js';
import { notAsDigest } from '../files/digest-file.js';
import { isDirectory } from '../files/open-regular.js';
import { fileWriter } from '../files/file-writer.js';
import { counted, type ProgressObserver, progressOf, Tally } from '../stream/progress.js';
import { copiesBeside, digestFileOf } from '../location/signed-digest.js';
import { openParts } from '../location/open-parts.js';
import type { PartDamage } from '../parts/damage.js';

export interface JoinOptions {
  /** Part files of one set, in any order and under any names; a directory stands for the parts in it. */
  readonly parts: readonly string[];
  /** The bundle file to write. */
  readonly output: string;
  /** Replace an existing output. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
}

export interface JoinResult {
  readonly file: string;
  /** Bytes of the bundle file. */
  readonly size: number;
  /** SHA-256 of the bundle file, as the parts name it: for transfer errors only, never for trust. */
  readonly sha256: string;
  /** Id of the set. */
  readonly set: string;
  /** What was missing or damaged, and was made again from parity. */
  readonly repaired: readonly PartDamage[];
}

/**
 * Puts parts together again. All of them are read and checked before anything is written, and the output name only ever stands
 * for the complete bundle. Nothing is authenticated here; that is what the signature in the bundle is for.
 *
 * @throws PlugferryError `E_PARTS`, naming every part that is missing, foreign or damaged beyond repair, with ranges of bytes;
 *   `E_DIGEST` when a digest file that lies where the bundle goes, or beside the parts, is of another file; `E_NOT_FOUND`, `E_EXISTS`,
 *   `E_NO_SPACE`, `E_IO`.
 */
export async function joinParts(options: JoinOptions): Promise<JoinResult> {
  const { signal, notify, onProgress, force = false } = options;
  const output = resolve(options.output);
  await refuseExisting(output, force);
  let repaired: readonly PartDamage[] = [];
  const parts = await openParts(options.parts, {
    scratch: dirname(output),
    signal,
    progress: progressOf(onProgress, 'verify'),
    onRepair: (found) => {
      repaired = found;
    },
  });
  try {
    notify?.('checking every part');
    await parts.prove();
    const companions = await carriedAlong(options.parts, output, parts.shape.bundleSha256);
    notify?.(`writing ${options.output}`);
    const commit = { force, companions, ...(signal === undefined ? {} : { signal }) };
    await committedWithCompanions(output, commit, async (file) => {
      const { add } = new Tally(progressOf(onProgress, 'join'), parts.shape.bundleSize);
      await pipeline(await parts.stream(), counted(add), fileWriter(file));
    });
    const { bundleSize, bundleSha256 } = parts.shape;
    return { file: options.output, size: bundleSize, sha256: bundleSha256, set: parts.id, repaired };
  } finally {
    await parts.close();
  }
}

/**
 * The digest file of the bundle, which lies where that goes (it stays, and has to fit), or came beside the parts under the bundle's
 * name (it is copied, with its signature).
 */
async function carriedAlong(
  [first = '']: readonly string[],
  output: string,
  sha256: string,
): Promise<Companions<void>> {
  const nothing: Companions<void> = { names: [], make: async () => [] };
  const source = join((await isDirectory(first)) ? first : dirname(first), basename(output));
  const inPlace = await digestFileOf(output);
  const there = inPlace ?? (await digestFileOf(source));
  if (there?.sha256 === undefined) return nothing;
  if (there.sha256 !== sha256)
    throw notAsDigest({ file: output, digestFile: there.path, found: sha256, expected: there.sha256 });
  if (inPlace !== undefined) return nothing;
  const copies = copiesBeside(output, there);
  return { names: copies.map(({ path }) => path), make: async () => copies };
}
