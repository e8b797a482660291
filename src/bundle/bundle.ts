import type { Readable } from 'node:stream';
import type { Progress } from '../stream/progress.js';
import type { Manifest, ManifestFile, ManifestPlugin } from '../schema/manifest.js';
import type { ModuleReading } from '../wasm/interface.js';

/** The names and limits of a bundle, the same in every container. `schemas/README.md` gives the reasons. */
export const manifestName = 'manifest.json';
export const checksumNames = ['checksums.md5', 'checksums.sha256'] as const;
/** Most signature files. */
export const maxSignatures = 16;

/** Longest path that another may be {@link ManifestFile.sameAs}: the link field of ustar has this many bytes. */
export const maxSharedPath = 100;

export const signatureName = (keyId: string): string => `signatures/${keyId}.sig`;

/** The key id that a signature entry claims, or undefined for any other entry name. */
export const claimedKeyId = (name: string): string | undefined =>
  /^signatures\/([0-9a-f]{64})\.sig$/.exec(name)?.[1];

/** Looks at the raw manifest bytes and raw signatures and says who signed, or throws. */
export type ManifestCheck<Signer> = (
  manifest: Uint8Array,
  signatures: ReadonlyMap<string, Uint8Array>,
) => Signer;

/** The head of a bundle: read, not parsed, not believed. Everything else is behind {@link SealedBundle.open}. */
export interface SealedBundle {
  readonly manifestBytes: Buffer;
  /** Raw signatures by claimed key id, in bundle order. */
  readonly signatures: ReadonlyMap<string, Buffer>;
  /** Applies `check` to the raw bytes and, only when it returns, parses the manifest. May be called once. */
  open<Signer>(check: ManifestCheck<Signer>): OpenBundle<Signer>;
  /** Closes the source. Needed unless {@link OpenBundle.payload} ran to its end. */
  close(): Promise<void>;
}

/** Takes one proven file; must read `body` to its end. A body that is not what the manifest says ends in an error. */
export type PayloadReceiver = (file: ManifestFile, body: Readable) => Promise<void>;

/** Who looks on while the payload passes. */
export interface PayloadWatch {
  /** Told how many bytes of the files have passed. */
  readonly progress?: Progress | undefined;
  /**
   * Told of each module what it asks of a gateway, with the plugins whose module it is; throws to refuse it. For this all of a module is
   * read, function bodies too.
   */
  readonly onModule?: ((plugins: readonly ManifestPlugin[], reading: ModuleReading) => void) | undefined;
}

/** Bytes of the files that are stored in their own right. */
export const payloadSize = (files: readonly ManifestFile[]): number =>
  files.reduce((sum, { size, sameAs }) => sum + (sameAs === undefined ? size : 0), 0);

/** A bundle whose manifest was checked. */
export interface OpenBundle<Signer> {
  readonly signer: Signer;
  readonly manifest: Manifest;
  /**
   * Streams every file of the manifest that is stored in its own right (not those with `sameAs`) to `receive`, in
   * manifest order, each checked for size, SHA-256 and MD5 before its end is reported, and each module against what the manifest claims
   * of it. Resolves only when the container
   * held exactly these entries and ended properly.
   */
  payload(receive: PayloadReceiver, watch?: PayloadWatch): Promise<void>;
}
