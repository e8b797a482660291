import { type ProgressObserver, progressOf } from '../stream/progress.js';
import { type Companions, retire } from '../files/companions.js';
import { Splitter, type WrittenPart } from './split.js';
import { Writable } from 'node:stream';
import { type CommitOptions, refuseExisting } from '../files/atomic-file.js';
import { committedSet } from '../files/atomic-files.js';

/** Into what parts a bundle is cut. */
export interface SplitShape {
  /** Most bytes of a part file, at least 1 MiB. */
  readonly partFile: number;
  /** Parity parts, in percent of the others. @default 0 */
  readonly parity?: number;
}

/** A bundle in parts. */
export interface SplitResult {
  /** Id of the set, which each part names: the same bundle, split the same way, gives the same. */
  readonly set: string;
  /** Bytes of the bundle. */
  readonly size: number;
  /** SHA-256 of the bundle file: for transfer errors only, never for trust. */
  readonly sha256: string;
  readonly parts: readonly WrittenPart[];
}

/** What {@link writeParts} is asked for. */
export interface PartsRequest extends SplitShape {
  /** Part files are named `<prefix>.part001` and so on. */
  readonly prefix: string;
  /** What lies beside the bundle, and so beside its parts. */
  readonly companions: Companions<Pick<SplitResult, 'sha256'>>;
  readonly signal?: AbortSignal | undefined;
  readonly notify?: ((message: string) => void) | undefined;
  readonly onProgress?: ProgressObserver | undefined;
}

/**
 * Writes as parts what `fill` writes into a stream, which it ends. Either all of them appear, or none.
 *
 * @throws PlugferryError `E_USAGE`, `E_LIMIT`, `E_EXISTS`, `E_NO_SPACE`, `E_IO`, and what `fill` throws.
 */
export async function writeParts(
  { prefix, partFile, parity = 0, companions, signal, notify, onProgress }: PartsRequest,
  commit: CommitOptions,
  fill: (into: Writable) => Promise<unknown>,
): Promise<SplitResult> {
  for (const name of companions.names) await refuseExisting(name, commit.force);
  const retireOld = async (): Promise<void> => {
    if (commit.force) await retire(companions.names);
  };
  return committedSet({ ...commit, beforePublishing: retireOld }, async (add) => {
    const progress = progressOf(onProgress, 'parity');
    const splitter = new Splitter({ prefix, partFile, parity, signal, notify, progress }, add);
    await fill(
      new Writable({
        highWaterMark: 1024 * 1024,
        write(chunk: Buffer, _encoding, done) {
          splitter.write(chunk).then(() => {
            done();
          }, done);
        },
      }),
    );
    const { set, shape, parts } = await splitter.finish();
    const sha256 = shape.bundleSha256;
    for (const { path, bytes } of await companions.make({ sha256 })) await (await add(path)).writeFile(bytes);
    return { set, size: shape.bundleSize, sha256, parts };
  });
}
