import { realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Trust } from '../verification/authenticate.js';
import { repack } from '../bundle/repack.js';
import { PlugferryError } from '../errors.js';
import { committedFile, refuseExisting } from '../files/atomic-file.js';
import { sha256Of } from '../stream/digest.js';
import { openRegular, readSmallFile } from '../files/open-regular.js';
import { withoutCredentials } from '../http/address.js';
import { progressOf, type ProgressObserver } from '../stream/progress.js';
import { noBundleWritten, signsFileOf } from '../location/file-signing.js';
import type { Signer } from '../trust/key-files.js';
import {
  isElsewhere,
  isInParts,
  nameOf,
  reachOf,
  type BundlePlace,
  type ReachOptions,
} from '../location/bundle-input.js';
import {
  checkOutput,
  containerAt,
  outputName,
  scratchFor,
  writeOutput,
  type Delivered,
} from '../location/bundle-output.js';
import { originOf, type Origin } from '../location/reread-bundle.js';
import type { PartDamage } from '../parts/damage.js';
import { sigstoreBundle } from '../trust/sigstore.js';
import { maxTrustBytes, parseTrust } from '../trust/store.js';
import { withSignature } from '../bundle/add-signature.js';
import { proveBundle, type SignedSubject, type Signing } from '../verification/countersigning.js';

export interface SignOptions extends ReachOptions {
  /** Where the bundle is; or the path of the `trust.json` of a trust store. */
  readonly file: BundlePlace;
  readonly signer: Signer;
  /** Leave the bundle as it is and write the raw signature to a file. Always so for a trust store. @default false */
  readonly detached?: boolean;
  /**
   * Where to write the bundle or signature: a path, `-`, `sftp://` or `http(s)://`. @default for a bundle itself, replaced in one step;
   * detached, `<bundle>.sig`; for a trust store, `<key id>.sig` beside its trust.json, where an update looks for it; for parts, `-` and
   * bundles of other machines there is none
   */
  readonly output?: string;
  /** What `-` stands for as output. */
  readonly stdout?: Writable | undefined;
  /**
   * Write also the digest of the bundle file beside it, and the signature of that. Where a digest file lies beside a bundle that is
   * signed in place, always. @default false
   */
  readonly signFile?: boolean;
  /** Write the signature also as a Sigstore bundle v0.3, to this file. */
  readonly sigstoreFile?: string;
  /** Replace existing output files. @default false */
  readonly force?: boolean;
  /**
   * Whose signatures are there already: one of them must be good, and every rule is met but how many there must be. Without it, those
   * rules are left that hold for everybody.
   */
  readonly trust?: Trust;
  /** Told, once, what was missing or damaged in parts and was made again from parity. */
  readonly onRepair?: ((repaired: readonly PartDamage[]) => void) | undefined;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
}

export interface SignResult extends Delivered {
  readonly subject: SignedSubject;
  readonly sigstoreFile?: string;
  readonly keyId: string;
  /** SHA-256 of the signed bytes: manifest.json or trust.json. */
  readonly signedSha256: string;
  /** Key ids of all signatures in the written bundle; for a signature file, of that one. Only the new one is proven. */
  readonly signatures: readonly string[];
}

/**
 * Adds a signature to a bundle, or writes it to a file. Every byte of the payload is compared with the manifest before the
 * manifest is signed; the payload itself passes through unchanged. A signature of the same key is replaced.
 *
 * @throws PlugferryError of the integrity kinds when the bundle is damaged, of the trust kinds when its signatures are not
 *   what `trust` asks for, `E_LIMIT` for a 17th signature, `E_EXISTS`, and what the signer throws.
 */
export async function signFile({ file, ...rest }: SignOptions): Promise<SignResult> {
  const { sigstoreFile, force = false } = rest;
  const elsewhere = isElsewhere(file);
  const isFile = !elsewhere && !(await isInParts(file));
  if (!isFile && rest.output === undefined) throw withoutOutput(shownName(file));
  const signsFile = await signsFileOf({ file, isFile }, rest);
  const options: Signable = { ...rest, place: file, file: shownName(file), isFile, signsFile };
  const fileSigner = signsFile ? rest.signer : undefined;
  if (rest.output !== undefined) checkOutput({ ...rest, output: rest.output, fileSigner });
  if (sigstoreFile !== undefined) await refuseExisting(sigstoreFile, force);
  const isDocument = isFile && (await beginsWithBrace(options.file));
  if (isDocument && rest.signFile === true) throw noBundleWritten();
  const { signing, signature, written } = await (isDocument ? signDocument(options) : signBundle(options));
  if (sigstoreFile !== undefined) {
    const { keyId } = options.signer;
    const content = sigstoreBundle({ keyId, signature, bytes: signing.bytes });
    await committedFile(resolve(sigstoreFile), { force }, (file) => file.writeFile(content));
  }
  return {
    subject: signing.subject,
    ...written,
    ...(sigstoreFile === undefined ? {} : { sigstoreFile }),
    keyId: options.signer.keyId,
    signedSha256: sha256Of(signing.bytes),
  };
}

export interface Signable extends Omit<SignOptions, 'file'> {
  readonly place: BundlePlace;
  /** What messages call it; its path, if it is one file of this machine. */
  readonly file: string;
  /** Whether it is one file of this machine. */
  readonly isFile: boolean;
  /** Whether the digest of the bundle file is signed, too. */
  readonly signsFile: boolean;
}

interface Signed {
  readonly signing: Signing;
  readonly signature: Buffer;
  readonly written: Written;
}

async function signDocument(options: Signable): Promise<Signed> {
  const signing = await readDocument(options);
  const signature = await options.signer.sign(signing.bytes);
  // It stands beside the store: over another version it would stand in the way of the next update.
  if (!(await readDocument(options)).bytes.equals(signing.bytes)) throw changed(options.file);
  return { signing, signature, written: await writeSignature(signature, signing, options) };
}

async function signBundle(options: Signable): Promise<Signed> {
  const { place, file, output, detached, signal, onRepair } = options;
  // Where a bundle is written there is room for one; where none is, the directory of this one may be read-only.
  const beside = output === undefined ? dirname(file) : scratchFor(output);
  const scratch = detached === true ? undefined : beside;
  const origin = await originOf(place, { ...reachOf(options), signal, scratch, onRepair });
  try {
    const signing = await proveBundle(origin, options);
    const signature = await options.signer.sign(signing.bytes);
    const written =
      detached === true
        ? await writeSignature(signature, signing, options)
        : await addToBundle({ origin, signing, signature }, options);
    return { signing, signature, written };
  } finally {
    await origin.close();
  }
}

/** JSON begins with a brace, a bundle with the magic of its container. */
async function beginsWithBrace(path: string): Promise<boolean> {
  const handle = await openRegular(path, 'bundle');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, 0);
    return bytesRead === 1 && buffer.toString('latin1') === '{';
  } finally {
    await handle.close();
  }
}

async function readDocument({ file }: Signable): Promise<Signing> {
  const bytes = await readSmallFile(file, 'trust store', maxTrustBytes);
  return { bytes, subject: { kind: 'trust store', document: parseTrust(bytes, file) } };
}

type Written = Delivered & Pick<SignResult, 'signatures'>;

async function writeSignature(signature: Buffer, { subject }: Signing, options: Signable): Promise<Written> {
  const { file, output, signer } = options;
  const { keyId } = signer;
  const beside = subject.kind === 'bundle' ? `${file}.sig` : join(dirname(file), `${keyId}.sig`);
  const delivered = await writeOutput({ ...options, output: output ?? beside }, async (out) => {
    await pipeline([signature], out);
    return { size: signature.length, sha256: sha256Of(signature) };
  });
  return { ...placeOf(delivered), signatures: [keyId] };
}

const placeOf = ({ file, proof, digestFiles }: Delivered): Delivered => ({
  file,
  ...(proof === undefined ? {} : { proof }),
  ...(digestFiles === undefined ? {} : { digestFiles }),
});

/** Rewrites the bundle. It is read a second time, and must still say what was proved and signed. */
async function addToBundle(
  { origin, signing, signature }: { origin: Origin; signing: Signing; signature: Buffer },
  options: Signable,
): Promise<Written> {
  const { signer, output, file, isFile, force, signal, notify } = options;
  // In place, a symbolic link stays one.
  const target = output ?? (await realpath(file));
  const container = containerAt(target);
  const mode = isFile ? (await stat(file)).mode & 0o777 : undefined;
  const sealed = await origin.open();
  try {
    const opened = sealed.open((manifest) => {
      if (!signing.bytes.equals(manifest)) throw changed(file);
    });
    const progress = progressOf(options.onProgress, 'sign');
    const merged = withSignature(sealed.signatures, signer.keyId, signature);
    notify?.(`writing ${output === undefined ? file : outputName(output)}`);
    const fileSigner = options.signsFile ? signer : undefined;
    const replaces = output === undefined || force === true;
    const request = { ...options, output: target, force: replaces, mode, fileSigner };
    const delivered = await writeOutput(request, (out) =>
      repack({ sealed, opened, signatures: merged, progress }, container, {
        out,
        scratch: scratchFor(target),
        signal,
      }),
    );
    const place = output === undefined ? { ...placeOf(delivered), file } : placeOf(delivered);
    return { ...place, signatures: [...merged.keys()] };
  } finally {
    await sealed.close();
  }
}

const changed = (file: string): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', `${file} was changed by somebody else while it was signed`, {
    hint: 'Nothing was written. Let whoever writes it finish, look at it, and sign again.',
    details: { file },
  });

/** What messages call a bundle, without credentials. */
const shownName = (place: BundlePlace): string => {
  const name = nameOf(place);
  if (!isElsewhere(place)) return name;
  return name === '-' ? 'standard input' : withoutCredentials(name);
};

const withoutOutput = (file: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${file}: only a file of this machine can be signed in place`, {
    hint: 'Name the whole bundle to write with -o, or with --detached the signature file.',
    details: { file },
  });
