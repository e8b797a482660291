import { realpath } from 'node:fs/promises';
import { type BundlePlace, nameOf } from './bundle-input.js';
import { PlugferryError } from '../errors.js';
import type { Signer } from '../trust/key-files.js';
import { cannotSignFile, digestFileOf } from './signed-digest.js';

/** What says whether a digest file is signed. */
export interface FileSigning {
  /** Asked for. @default false */
  readonly signFile?: boolean | undefined;
  /** The signature goes into a file of its own. @default false */
  readonly detached?: boolean | undefined;
  readonly output?: string | undefined;
  readonly signer: Pick<Signer, 'madeElsewhere'>;
}

/**
 * Whether signing writes a digest file, too. That of a bundle that is signed in place would be of the bundle before: whoever signs last
 * makes a new one.
 *
 * @throws PlugferryError `E_USAGE` where no bundle is written, or the signature was made elsewhere.
 */
export async function signsFileOf(
  { file, isFile }: { readonly file: BundlePlace; readonly isFile: boolean },
  { signFile = false, detached = false, output, signer }: FileSigning,
): Promise<boolean> {
  if (detached && signFile) throw noBundleWritten();
  if (detached) return false;
  const path = nameOf(file);
  const renewed =
    isFile &&
    output === undefined &&
    (await digestFileOf(await realpath(path).catch(() => path))) !== undefined;
  if (!signFile && !renewed) return false;
  if (signer.madeElsewhere === true) throw cannotSignFile(output ?? path);
  return true;
}

/** For a digest of a bundle file where none is written. */
export const noBundleWritten = (): PlugferryError =>
  new PlugferryError('E_USAGE', '--sign-file signs the bundle file that is written, and here none is', {
    hint: 'Leave it out; or leave out --detached, and name a bundle.',
  });
