import { realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { authenticator, type Authentication, type Trust } from './authenticate.js';
import { maxSignatures, type OpenBundle, type SealedBundle } from './bundle/bundle.js';
import { containerFor } from './bundle/container.js';
import { repack } from './bundle/repack.js';
import { PlugferryError } from './errors.js';
import { committedFile, refuseExisting } from './io/commit.js';
import { sha256Of } from './io/digest.js';
import { Discard } from './io/discard.js';
import { openRegular, readSmallFile } from './io/file.js';
import { fileWriter } from './io/file-writer.js';
import { progressOf, type ProgressObserver } from './io/progress.js';
import type { Signer } from './keys.js';
import { isInParts, nameOf, type BundlePlace } from './bundle-bytes.js';
import { openBundle } from './open-bundle.js';
import type { PartDamage } from './parts/damage.js';
import type { Manifest } from './schema/manifest.js';
import type { TrustDocument } from './schema/trust.js';
import { sigstoreBundle } from './trust/sigstore.js';
import { maxTrustBytes, parseTrust } from './trust/store.js';

export interface SignOptions {
  /**
   * Path of a bundle file, or of the `trust.json` of a trust store; or the parts of a bundle, in any order and under any names, or
   * a directory of them.
   */
  readonly file: BundlePlace;
  readonly signer: Signer;
  /** Leave the bundle as it is and write the raw signature to a file. Always so for a trust store. @default false */
  readonly detached?: boolean;
  /**
   * The bundle or signature file to write. @default for a bundle itself, replaced in one step; detached, `<bundle>.sig`; for
   * a trust store, `<key id>.sig` beside its trust.json, where an update looks for it; for parts there is none
   */
  readonly output?: string;
  /** Write the signature also as a Sigstore bundle v0.3, to this file. */
  readonly sigstoreFile?: string;
  /** Replace existing output files. @default false */
  readonly force?: boolean;
  /** Checks the signatures that are there already: one of them must be good. */
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
    }
  | { readonly kind: 'trust store'; readonly document: TrustDocument };

export interface SignResult {
  readonly subject: SignedSubject;
  /** The bundle or signature file that was written. */
  readonly file: string;
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
  const inParts = await isInParts(file);
  if (inParts && rest.output === undefined) throw withoutOutput(nameOf(file));
  const options: Signable = { ...rest, place: file, file: nameOf(file), inParts };
  if (sigstoreFile !== undefined) await refuseExisting(sigstoreFile, force);
  const isDocument = !inParts && (await beginsWithBrace(options.file));
  const signing = isDocument ? await readDocument(options) : await proveBundle(options);
  const signature = await options.signer.sign(signing.bytes);
  const written =
    isDocument || options.detached === true
      ? await writeSignature(signature, signing, options)
      : await addToBundle(signature, signing, options);
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
  /** What messages call it; its path, unless it is in parts. */
  readonly file: string;
  readonly inParts: boolean;
}

/** The exact bytes to sign, and what they mean. */
interface Signing {
  readonly bytes: Buffer;
  readonly subject: SignedSubject;
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

async function proveBundle(options: Signable): Promise<Signing> {
  return withBundle(options, options.trust, async (sealed, opened) => {
    options.notify?.(`checking every byte of ${options.file}`);
    const progress = progressOf(options.onProgress, 'verify');
    await opened.payload((_file, body) => pipeline(body, new Discard()), progress);
    const { manifest, signer: authentication } = opened;
    return { bytes: sealed.manifestBytes, subject: { kind: 'bundle', manifest, authentication } };
  });
}

async function withBundle<T>(
  { place, file, output, detached, signal, onRepair }: Signable,
  trust: Trust | undefined,
  work: (sealed: SealedBundle, opened: OpenBundle<Authentication | undefined>) => Promise<T>,
): Promise<T> {
  // Where a bundle is written there is room for one; where none is, the directory of this one may be read-only.
  const scratch = detached === true ? undefined : dirname(output ?? file);
  const sealed = await openBundle(place, { signal, scratch, onRepair });
  try {
    const check = trust === undefined ? () => undefined : authenticator(trust, new Date());
    return await work(sealed, sealed.open(check));
  } finally {
    await sealed.close();
  }
}

type Written = Pick<SignResult, 'file' | 'signatures'>;

async function writeSignature(
  signature: Buffer,
  { subject }: Signing,
  { file, output, signer, force = false, signal }: Signable,
): Promise<Written> {
  const { keyId } = signer;
  const beside = subject.kind === 'bundle' ? `${file}.sig` : join(dirname(file), `${keyId}.sig`);
  const target = output ?? beside;
  const commit = { force, ...(signal === undefined ? {} : { signal }) };
  await committedFile(resolve(target), commit, (handle) => handle.writeFile(signature));
  return { file: target, signatures: [keyId] };
}

/** Rewrites the bundle. It is read a second time, and must still say what was proved and signed. */
async function addToBundle(signature: Buffer, { bytes }: Signing, options: Signable): Promise<Written> {
  const { signer, output, signal, notify } = options;
  // In place, a symbolic link stays one.
  const target = output === undefined ? await realpath(options.file) : resolve(output);
  const container = containerFor(target);
  const mode = options.inParts ? 0o644 : (await stat(options.file)).mode & 0o777;
  const commit = { force: output === undefined || options.force === true, mode };
  const signatures = await withBundle(
    { ...options, onRepair: undefined },
    undefined,
    async (sealed, opened) => {
      if (!sealed.manifestBytes.equals(bytes)) throw changed(options.file);
      const progress = progressOf(options.onProgress, 'sign');
      const merged = withSignature(sealed.signatures, signer.keyId, signature);
      notify?.(`writing ${output ?? options.file}`);
      await committedFile(target, { ...commit, ...(signal === undefined ? {} : { signal }) }, (file) =>
        repack({ sealed, opened, signatures: merged, progress }, container, {
          out: fileWriter(file),
          scratch: dirname(target),
          signal,
        }),
      );
      return [...merged.keys()];
    },
  );
  return { file: output ?? options.file, signatures };
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
  new PlugferryError('E_SOURCE_CHANGED', `${file} was replaced by another bundle while it was signed`, {
    hint: 'Nothing was written. Let whoever writes it finish, look at it, and sign again.',
    details: { file },
  });

const withoutOutput = (file: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${file} are parts of a bundle, and those are not changed`, {
    hint: 'Name the whole bundle to write with -o, or with --detached the signature file.',
    details: { file },
  });
