import type { Writable } from 'node:stream';
import { digestFilesOf, refuseElsewhere, writeOutput, type Delivered } from './bundle-output.js';
import type { BundleContent, Pack } from './bundle/pack.js';
import { isPlugferryError, PlugferryError } from './errors.js';
import { companionsOf, type FileSigner } from './file-signature.js';
import type { ExportOptions, ExportResult } from './export.js';
import type { Digest } from './io/digest.js';
import { writeParts } from './split.js';

/**
 * Several files go into a directory of this machine only.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function refuseCompanions({ output, split, withTool }: ExportOptions): void {
  if (split !== undefined) refuseElsewhere(output, 'a bundle in parts');
  if (withTool === true) refuseElsewhere(output, 'the program beside it');
}

/**
 * Who signs the digest of the file. The program travels for receivers without Node.js, who need that digest.
 *
 * @throws PlugferryError `E_USAGE` when it was asked for and there is nobody to sign.
 */
export function fileSignerOf({ signFile, withTool, signer }: ExportOptions): FileSigner | undefined {
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
  options: ExportOptions,
): Promise<Delivered & Pick<ExportResult, 'size' | 'sha256' | 'parts'>> {
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
