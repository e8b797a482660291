import { realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Authentication, Trust } from '../verification/authenticate.js';
import { maxSignatures } from '../bundle/bundle.js';
import { repack } from '../bundle/repack.js';
import { PlugferryError } from '../errors.js';
import { committedFile, refuseExisting } from '../files/atomic-file.js';
import { sha256Of } from '../stream/digest.js';
import { Discard } from '../stream/drain.js';
import { openRegular, readSmallFile } from '../files/open-regular.js';
import { withoutCredentials } from '../http/address.js';
import { type ProgressObserver, progressOf } from '../stream/progress.js';
import { noBundleWritten, signsFileOf } from '../location/file-signing.js';
import type { Signer } from '../trust/key-files.js';
import {
  type BundlePlace,
  isElsewhere,
  isInParts,
  nameOf,
  reachOf,
  type ReachOptions,
} from '../location/bundle-input.js';
import {
  checkOutput,
  containerAt,
  type Delivered,
  outputName,
  scratchFor,
  writeOutput,
} from '../location/bundle-output.js';
import { type Origin, originOf } from '../location/reread-bundle.js';
import type { PartDamage } from '../parts/damage.js';
import type { Manifest } from '../schema/manifest.js';
import type { TrustDocument } from '../schema/trust.js';
import type { Check } from '../trust/rule-result.js';
import { sigstoreBundle } from '../trust/sigstore.js';
import { maxTrustBytes, parseTrust } from '../trust/store.js';
import { verifiedBundle } from '../verification/verified-bundle.js';

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

/** What was signed. */
export type SignedSubject =
  | {
      readonly kind: 'bundle';
      readonly manifest: Manifest;
      /** Undefined when nobody asked whose the earlier signatures are. */
      readonly authentication: Authentication | undefined;
      /** Every rule that was applied, in order, with what was found. */
      readonly checks: readonly Check[];
    }
  | { readonly kind: 'trust store'; readonly document: TrustDocument };

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

interface Signable extends Omit<SignOptions, 'file'> {
  readonly place: BundlePlace;
  /** What messages call it; its path, if it is one file of this machine. */
  readonly file: string;
  /** Whether it is one file of this machine. */
  readonly isFile: boolean;
  /** Whether the digest of the bundle file is signed, too. */
  readonly signsFile: boolean;
}

/** The exact bytes to sign, and what they mean. */
interface Signing {
  readonly bytes: Buffer;
  readonly subject: SignedSubject;
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

/** All rules but thresholds: what a receiver would refuse whoever else signs it, nobody signs here. */
async function proveBundle(origin: Origin, options: Signable): Promise<Signing> {
  const { trust } = options;
  const bundle = await verifiedBundle(() => origin.open(), { trust, rules: 'all-but-thresholds' });
  try {
    options.notify?.(`checking every byte of ${options.file}`);
    const progress = progressOf(options.onProgress, 'verify');
    await bundle.payload((_file, body) => pipeline(body, new Discard()), { progress });
    const { manifest, manifestBytes: bytes, checks } = bundle;
    const authentication = trust === undefined ? undefined : bundle.authentication;
    return { bytes, subject: { kind: 'bundle', manifest, authentication, checks } };
  } finally {
    await bundle.close();
  }
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

function withSignature(
  signatures: ReadonlyMap<string, Buffer>,
  keyId: string,
  signature: Buffer,
): ReadonlyMap<string, Buffer> {
  const merged = new Map(signatures).set(keyId, signature);
  if (merged.size <= maxSignatures) return new Map([...merged].sort(([a], [b]) => (a < b ? -1 : 1)));
  throw new PlugferryError(
    'E_LIMIT',
    `the bundle has ${maxSignatures} signatures already, which is the most`,
    {
      hint: 'Export it again and have only those sign who must.',
      details: { expected: maxSignatures },
    },
  );
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
