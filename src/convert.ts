import { dirname, resolve } from 'node:path';
import { containerFor } from './bundle/container.js';
import { reachOf, type ReachOptions } from './bundle-bytes.js';
import { openBundle } from './open-bundle.js';
import { repack } from './bundle/repack.js';
import { committedFile } from './io/commit.js';
import { sha256Of } from './io/digest.js';
import { fileWriter } from './io/file-writer.js';
import { progressOf, type ProgressObserver } from './io/progress.js';

export interface ConvertOptions extends ReachOptions {
  /** A path, `-`, `sftp://` or `http(s)://`. */
  readonly bundle: string;
  /** The bundle file to write; its name says what kind: `.tar.gz`, `.tgz` or `.zip`. */
  readonly output: string;
  /** Replace an existing output. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
}

export interface ConvertResult {
  readonly file: string;
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
 * @throws PlugferryError `E_USAGE` for an output name of no known kind, `E_EXISTS`, and of the integrity kinds for a bundle
 *   that is damaged; the output then does not exist.
 */
export async function convertBundle(options: ConvertOptions): Promise<ConvertResult> {
  const { signal, notify, onProgress } = options;
  const container = containerFor(options.output);
  const output = resolve(options.output);
  // Both copies end up there anyway, so there has to be room.
  const scratch = dirname(output);
  const commit = { force: options.force ?? false, ...(signal === undefined ? {} : { signal }) };
  return committedFile(output, commit, async (file) => {
    const sealed = await openBundle(options.bundle, { ...reachOf(options), signal, scratch });
    try {
      const opened = sealed.open((_manifest, signatures) => [...signatures.keys()]);
      notify?.(`writing ${options.output}`);
      const progress = progressOf(onProgress, 'pack');
      const carriage = { sealed, opened, signatures: sealed.signatures, progress };
      const { size, sha256 } = await repack(carriage, container, { out: fileWriter(file), scratch, signal });
      return {
        file: options.output,
        size,
        sha256,
        authenticated: false,
        manifestSha256: sha256Of(sealed.manifestBytes),
        claimedSigners: opened.signer,
      };
    } finally {
      await sealed.close();
    }
  });
}
