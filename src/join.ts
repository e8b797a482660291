import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { committedFile, refuseExisting } from './io/commit.js';
import { fileWriter } from './io/file-writer.js';
import { counted, progressOf, Tally, type ProgressObserver } from './io/progress.js';
import { openParts } from './open-parts.js';
import type { PartDamage } from './parts/damage.js';

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
 *   `E_NOT_FOUND`, `E_EXISTS`, `E_NO_SPACE`, `E_IO`.
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
    notify?.(`writing ${options.output}`);
    await committedFile(output, { force, ...(signal === undefined ? {} : { signal }) }, async (file) => {
      const { add } = new Tally(progressOf(onProgress, 'join'), parts.shape.bundleSize);
      await pipeline(await parts.stream(), counted(add), fileWriter(file));
    });
    const { bundleSize, bundleSha256 } = parts.shape;
    return { file: options.output, size: bundleSize, sha256: bundleSha256, set: parts.id, repaired };
  } finally {
    await parts.close();
  }
}
