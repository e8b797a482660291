import { Mailbox } from '../stream/async-queue.js';
import type { ManifestFile } from '../schema/manifest.js';
import { checksumNames, claimedKeyId, manifestName, maxSignatures } from './bundle.js';
import { beyondLimit, endsEarly, unexpectedEntry } from './refusal.js';
import { maxManifestBytes, maxSignatureBytes } from '../plugin/limits.js';

/** What the rules of order look at, in whatever container it stands. */
export interface BundleEntry {
  readonly name: string;
  /** Bytes of the body. */
  readonly size: number;
  /** For a link the earlier path. */
  readonly linkName?: string | undefined;
}

/** What comes next in the head of a bundle: the signature that claims this key id, or the payload. */
export type HeadStep = { readonly claimedKeyId: string } | 'payload';

/**
 * The one order in which entries may stand in a bundle: the manifest, signatures by ascending key id, then exactly the
 * files of the manifest. The first payload entry is held back until {@link allowPayload} names those files.
 */
export class EntryOrder {
  readonly #steps = new Mailbox<HeadStep>();
  readonly #allowed = new Mailbox<readonly ManifestFile[]>();
  #files: readonly ManifestFile[] | undefined;
  readonly #signatures = new SignatureOrder();
  #payloadStart = 0;

  /** Refuses by throwing what must not stand at this place. */
  async admit(entry: BundleEntry, index: number): Promise<void> {
    if (index === 0) {
      admitManifest(entry);
      return;
    }
    const keyId = claimedKeyId(entry.name);
    if (this.#payloadStart === 0 && keyId !== undefined) {
      this.#signatures.admit(entry, keyId);
      this.#steps.put({ claimedKeyId: keyId });
      return;
    }
    if (this.#payloadStart === 0) {
      // Every manifest begins its files with this one, so what has no place here need not wait for the check.
      if (entry.name !== checksumNames[0])
        throw unexpectedEntry(entry.name, `a signature or ${checksumNames[0]}`);
      this.#payloadStart = index;
      this.#steps.put('payload');
    }
    this.#files ??= await this.#allowed.take();
    admitFile(entry, this.#files[index - this.#payloadStart]);
  }

  /** What the container holds next. */
  nextStep(): Promise<HeadStep> {
    return this.#steps.take();
  }

  allowPayload(files: readonly ManifestFile[]): void {
    this.#allowed.put(files);
  }

  /** The container has ended, properly or with an error: nobody is left waiting. */
  end(error: Error | undefined): void {
    this.#steps.fail(error ?? endsEarly());
    this.#allowed.fail(error ?? endsEarly());
  }
}

/** The first entry. */
export function admitManifest(entry: BundleEntry): void {
  if (entry.name !== manifestName || entry.linkName !== undefined)
    throw unexpectedEntry(entry.name, manifestName);
  if (entry.size > maxManifestBytes) throw beyondLimit(`a manifest of ${entry.size} bytes`, manifestName);
}

/** Signatures stand between manifest and payload, few and small, by ascending key id. */
export class SignatureOrder {
  #count = 0;
  #lastKeyId = '';

  admit(entry: BundleEntry, keyId: string): void {
    this.#count += 1;
    if (entry.linkName !== undefined) throw unexpectedEntry(entry.name, 'a signature file');
    if (this.#count > maxSignatures) throw beyondLimit(`more than ${maxSignatures} signatures`, entry.name);
    if (entry.size > maxSignatureBytes) throw beyondLimit(`a signature of ${entry.size} bytes`, entry.name);
    if (keyId <= this.#lastKeyId)
      throw unexpectedEntry(entry.name, 'signatures in ascending order, each once');
    this.#lastKeyId = keyId;
  }
}

/** An entry of the payload, which must be what the manifest lists at its place. */
export function admitFile(entry: BundleEntry, expected: ManifestFile | undefined): void {
  if (expected === undefined) throw unexpectedEntry(entry.name, 'no more entries');
  if (entry.name !== expected.path) throw unexpectedEntry(entry.name, expected.path);
  if (entry.linkName !== expected.sameAs) {
    throw unexpectedEntry(describe(entry.name, entry.linkName), describe(expected.path, expected.sameAs));
  }
  if (expected.sameAs === undefined && entry.size !== expected.size) {
    throw unexpectedEntry(`${entry.name} of ${entry.size} bytes`, `${expected.size} bytes`);
  }
}

const describe = (name: string, linkName: string | undefined): string =>
  linkName === undefined ? `${name} as a file` : `${name} as a hard link to ${linkName}`;
