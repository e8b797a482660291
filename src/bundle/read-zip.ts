import { pipeline } from 'node:stream';
import { pipeline as flow } from 'node:stream/promises';
import { Verifying } from '../stream/digest.js';
import { Discard } from '../stream/drain.js';
import { Tally } from '../stream/progress.js';
import type { Manifest, ManifestFile } from '../schema/manifest.js';
import {
  claimedKeyId,
  payloadSize,
  type ManifestCheck,
  type OpenBundle,
  type PayloadReceiver,
  type PayloadWatch,
  type SealedBundle,
} from './bundle.js';
import { parseManifest } from './manifest.js';
import { admitFile, admitManifest, SignatureOrder } from './entry-order.js';
import { PayloadCheck } from './payload.js';
import { endsEarly, unexpectedEntry } from './refusal.js';
import type { ScratchFile } from './scratch.js';
import { ZipBodies } from './zip-bodies.js';
import type { ZipEntry } from './zip-records.js';
import { scanZip } from './zip-scan.js';

/**
 * Reads the head of a `.zip` bundle: manifest and signatures, as raw bytes. No other body is read until
 * {@link SealedBundle.open} has let a check look at them.
 *
 * @param file a private copy, which is closed with the bundle: nobody may change it between the scan and the reading.
 * @throws PlugferryError `E_CONTAINER`, `E_LIMIT`.
 */
export async function unpackZip(file: ScratchFile): Promise<SealedBundle> {
  try {
    const entries = await scanZip(file);
    const keyIds = admitHead(entries);
    const reader = new ZipReader(file, await ZipBodies.open(file, entries));
    const manifestBytes = await reader.readWhole(0);
    const signatures = new Map<string, Buffer>();
    for (const [index, keyId] of keyIds.entries()) signatures.set(keyId, await reader.readWhole(index + 1));
    return {
      manifestBytes,
      signatures,
      open: <Signer>(check: ManifestCheck<Signer>): OpenBundle<Signer> => {
        const signer = check(manifestBytes, signatures);
        const manifest = parseManifest(manifestBytes);
        const first = keyIds.length + 1;
        admitPayload(entries.slice(first), manifest.files);
        return {
          signer,
          manifest,
          payload: (receive, watch) => reader.payload(manifest, { first, receive, watch }),
        };
      },
      close: () => reader.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The key ids that the signatures claim, in order. */
function admitHead(entries: readonly ZipEntry[]): string[] {
  const [manifest, ...rest] = entries;
  if (manifest === undefined) throw endsEarly();
  admitManifest(manifest);
  const order = new SignatureOrder();
  const keyIds: string[] = [];
  for (const entry of rest) {
    const keyId = claimedKeyId(entry.name);
    if (keyId === undefined) break;
    order.admit(entry, keyId);
    keyIds.push(keyId);
  }
  const stray = rest.slice(keyIds.length).find(({ name }) => claimedKeyId(name) !== undefined);
  if (stray !== undefined) throw unexpectedEntry(stray.name, 'signatures only between manifest and payload');
  return keyIds;
}

function admitPayload(entries: readonly ZipEntry[], files: readonly ManifestFile[]): void {
  // Zip has no links: a file with the bytes of an earlier one is stored again.
  for (const [index, entry] of entries.entries()) admitFile(entry, withoutLink(files[index]));
  if (entries.length < files.length) throw endsEarly();
}

function withoutLink(file: ManifestFile | undefined): ManifestFile | undefined {
  if (file === undefined) return undefined;
  const { path, size, sha256, md5 } = file;
  return { path, size, sha256, md5 };
}

interface Reception {
  /** Index of the first payload entry. */
  readonly first: number;
  readonly receive: PayloadReceiver;
  readonly watch: PayloadWatch | undefined;
}

/** Reads one body at a time. */
class ZipReader {
  readonly #file: ScratchFile;
  readonly #bodies: ZipBodies;

  constructor(file: ScratchFile, bodies: ZipBodies) {
    this.#file = file;
    this.#bodies = bodies;
  }

  /** For the head only, where {@link admitHead} has bounded the sizes. */
  async readWhole(index: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#bodies.body(index)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  async payload(manifest: Manifest, { first, receive, watch }: Reception): Promise<void> {
    const { files } = manifest;
    const tally = new Tally(watch?.progress, payloadSize(files));
    const check = new PayloadCheck(manifest, receive, watch);
    try {
      for (const [index, file] of files.entries()) {
        const body = new Verifying(file, file.sameAs === undefined ? tally.add : undefined);
        // An error of either stream destroys `body`, and its reader hears of it.
        pipeline(this.#bodies.body(first + index), body, () => undefined);
        if (file.sameAs === undefined) await check.file(file, body);
        else await flow(body, new Discard());
      }
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
