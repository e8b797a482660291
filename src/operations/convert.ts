import type { Writable } from 'node:stream';
import {
  checkOutput,
  containerAt,
  type Delivered,
  outputName,
  scratchFor,
  writeOutput,
} from '../location/bundle-output.js';
import { reachOf, type ReachOptions } from '../location/bundle-input.js';
import type { FileSigner } from '../location/signed-digest.js';
import { openBundle } from '../location/open-bundle.js';
import { repack } from '../bundle/repack.js';
import { sha256Of } from '../stream/digest.js';
import { type ProgressObserver, progressOf } from '../stream/progress.js';

export interface ConvertOptions extends ReachOptions {
  /** A path, `-`, `sftp://` or `http(s)://`. */
  readonly bundle: string;
  /**
   * Where to write the bundle: a path, `-`, `sftp://` or `http(s)://`. The name at its end says what kind: `.tar.gz`, `.tgz` or `.zip`;
   * `-` is `.tar.gz`.
   */
  readonly output: string;
  /** What `-` stands for as output. */
  readonly stdout?: Writable | undefined;
  /**
   * Writes the digest of the new file beside it, signed. The signatures in the bundle stay those of others: this one says who
   * made the file. @default no digest file
   */
  readonly fileSigner?: Exclude<FileSigner, 'nobody'> | undefined;
  /** Replace an existing output. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
}

export interface ConvertResult extends Delivered {
  /** Bytes of the new bundle file. */
  readonly size: number;
  /** SHA-256 of the new bundle file: for transfer errors only, never for trust. */
  readonly sha256: string;
  /** Every byte is what the manifest says, but nobody asked who wrote the manifest. */
  readonly authenticated: false;
  readonly manifestSha256: string;
  /** Key ids that the signatures claim to be by; they were carried, not checked. */
  readonly claimedSigners: readonly string[];
}

/**
 * Rewrites a bundle as another kind of file. Manifest and signatures pass through as they are, so whoever receives the
 * result verifies what the sender signed; the payload is compared with the manifest on its way. Nothing of the content is
 * used here, so no trust is needed: a forged bundle comes out as the same forged bundle.
 *
 * @throws PlugferryError `E_USAGE` for an output name of no known kind, `E_EXISTS`, as {@link writeOutput}, and of the integrity kinds for a bundle
 *   that is damaged; the output then does not exist.
 */
export async function convertBundle(options: ConvertOptions): Promise<ConvertResult> {
  const { output, signal, notify, onProgress } = options;
  const container = containerAt(output);
  checkOutput(options);
  const scratch = scratchFor(output);
  return writeOutput(options, async (out) => {
    const sealed = await openBundle(options.bundle, { ...reachOf(options), signal, scratch });
    try {
      const opened = sealed.open((_manifest, signatures) => [...signatures.keys()]);
      notify?.(`writing ${outputName(output)}`);
      const progress = progressOf(onProgress, 'pack');
      const carriage = { sealed, opened, signatures: sealed.signatures, progress };
      const { size, sha256 } = await repack(carriage, container, { out, scratch, signal });
      return {
        size,
        sha256,
        authenticated: false as const,
        manifestSha256: sha256Of(sealed.manifestBytes),
        claimedSigners: opened.signer,
      };
    } finally {
      await sealed.close();
    }
  });
}
