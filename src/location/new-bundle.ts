import type { Writable } from 'node:stream';
import {
  type Delivered,
  digestFilesOf,
  type OutputOptions,
  refuseElsewhere,
  writeOutput,
} from './bundle-output.js';
import type { Signer } from '../trust/key-files.js';
import type { WrittenPart } from '../parts/split.js';
import type { BundleContent, Pack } from '../bundle/write-archive.js';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { companionsOf, type FileSigner } from './signed-digest.js';
import type { Digest } from '../stream/digest.js';
import { type SplitShape, writeParts } from '../parts/write.js';

/** Where a new bundle goes, and what goes with it. */
export interface NewBundleOptions extends Omit<OutputOptions, 'fileSigner' | 'mode'> {
  /** Write the bundle in parts, named `<output>.part001` and so on, and not whole. @default whole */
  readonly split?: SplitShape | undefined;
  /**
   * Write the digest of the bundle file beside it, and the signature of that: who has stock tools only checks these before
   * anything in the file is looked at. With {@link withTool} always. @default false
   */
  readonly signFile?: boolean | undefined;
  /** Put this program beside the bundle, as one file, with what a receiver needs who has nothing else. @default false */
  readonly withTool?: boolean | undefined;
  /** Signs the manifest; without it the bundle is unsigned, and importers refuse it. */
  readonly signer?: Signer | undefined;
}

/** A bundle that was written. */
export interface NewBundle extends Delivered {
  /** The part files, where it was to be written in parts. */
  readonly parts?: readonly WrittenPart[];
  /** Bytes of the bundle file. */
  readonly size: number;
  /** SHA-256 of the bundle file: for transfer errors only, never for trust. */
  readonly sha256: string;
}

/**
 * Several files go into a directory of this machine only.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function refuseCompanions({ output, split, withTool }: NewBundleOptions): void {
  if (split !== undefined) refuseElsewhere(output, 'a bundle in parts');
  if (withTool === true) refuseElsewhere(output, 'the program beside it');
}

/**
 * Who signs the digest of the file. The program travels for receivers without Node.js, who need that digest.
 *
 * @throws PlugferryError `E_USAGE` when it was asked for and there is nobody to sign.
 */
export function fileSignerOf({ signFile, withTool, signer }: NewBundleOptions): FileSigner | undefined {
  if (signFile === true && signer === undefined) throw nobodySigns();
  return signFile === true || withTool === true ? (signer ?? 'nobody') : undefined;
}

const nobodySigns = (): PlugferryError =>
  new PlugferryError('E_USAGE', 'there is nobody to sign the digest of the file', {
    hint: 'Give --signing-key FILE, or --sign-command COMMAND with --signed-by FILE.',
  });

/** Writes the bundle, whole or in parts, where it is to be. */
export async function writeBundle(
  content: BundleContent,
  pack: Pack,
  options: NewBundleOptions,
): Promise<NewBundle> {
  const { output, signal, split, notify, onProgress } = options;
  const fileSigner = fileSignerOf(options);
  const fill = (into: Writable): Promise<Digest> => unchanged(pack(content, into, signal));
  if (split !== undefined) {
    const commit = { force: options.force ?? false, ...(signal === undefined ? {} : { signal }) };
    const companions = companionsOf(output, fileSigner);
    const request = { prefix: output, ...split, companions, signal, notify, onProgress };
    const { size, sha256, parts } = await writeParts(request, commit, fill);
    return { file: output, size, sha256, parts, ...digestFilesOf(output, fileSigner) };
  }
  return writeOutput({ ...options, fileSigner }, async (out) => {
    const { size, sha256 } = await fill(out);
    return { size, sha256 };
  });
}

/** A source that is not what the manifest says any more has changed since it was surveyed. */
async function unchanged(packing: Promise<Digest>): Promise<Digest> {
  try {
    return await packing;
  } catch (error) {
    if (!isPlugferryError(error) || error.code !== 'E_DIGEST') throw error;
    throw new PlugferryError(
      'E_SOURCE_CHANGED',
      `${error.details.file ?? 'a module'} changed while it was packed`,
      {
        hint: 'Let whatever writes to the source finish, then run the same command again.',
        details: error.details,
        cause: error,
      },
    );
  }
}
