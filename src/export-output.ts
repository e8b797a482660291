import type { Writable } from 'node:stream';
import { goesElsewhere, outputName, writeOutput } from './bundle-output.js';
import type { BundleContent, Pack } from './bundle/pack.js';
import { isPlugferryError, PlugferryError } from './errors.js';
import type { ExportOptions, ExportResult } from './export.js';
import type { Digest } from './io/digest.js';
import { writeParts } from './split.js';

/**
 * Several files go into a directory of this machine only.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function refuseCompanions({ output, split, withTool }: ExportOptions): void {
  if (!goesElsewhere(output) || (split === undefined && withTool !== true)) return;
  const what = split === undefined ? 'the program beside it' : 'a bundle in parts';
  throw new PlugferryError('E_USAGE', `${what} cannot be written to ${outputName(output)}`, {
    hint: 'Give a path with -o, and send each of the files with "plugferry push".',
    details: { file: outputName(output), expected: 'a path' },
  });
}

/** Writes the bundle, whole or in parts, where it is to be. */
export async function writeBundle(
  content: BundleContent,
  pack: Pack,
  options: ExportOptions,
): Promise<Pick<ExportResult, 'file' | 'proof' | 'size' | 'sha256' | 'parts'>> {
  const { output, signal, split, notify, onProgress } = options;
  const fill = (into: Writable): Promise<Digest> => unchanged(pack(content, into, signal));
  if (split !== undefined) {
    const commit = { force: options.force ?? false, ...(signal === undefined ? {} : { signal }) };
    const request = { prefix: output, ...split, signal, notify, onProgress };
    const { size, sha256, parts } = await writeParts(request, commit, fill);
    return { file: output, size, sha256, parts };
  }
  return writeOutput(options, async (out) => {
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
