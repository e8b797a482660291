import { pipeline, type Readable, type Writable } from 'node:stream';
import { extract, type Extract } from '../stream/tar-parser.js';
import { Verifying } from '../stream/digest.js';
import { Tally } from '../stream/progress.js';
import type { Manifest, ManifestFile } from '../schema/manifest.js';
import {
  payloadSize,
  type ManifestCheck,
  type OpenBundle,
  type PayloadReceiver,
  type PayloadWatch,
  type SealedBundle,
} from './bundle.js';
import { gunzip } from './gzip.js';
import { parseManifest } from './manifest.js';
import { EntryOrder } from './entry-order.js';
import { PayloadCheck } from './payload.js';
import { endsEarly, unexpectedEntry } from './refusal.js';
import { TarGate } from './tar-gate.js';

type Entry = Extract extends AsyncIterable<infer Item> ? Item : never;

/**
 * Reads the head of a `.tar.gz` bundle: manifest and signatures, as raw bytes. The payload stays behind the gate until
 * {@link SealedBundle.open} has let a check look at them.
 *
 * @throws PlugferryError `E_GZIP`, `E_CONTAINER`, `E_LIMIT`.
 */
export async function unpackTarGz(source: Readable): Promise<SealedBundle> {
  const reader = new TarReader(source);
  try {
    const manifestBytes = await reader.readWhole();
    const signatures = new Map<string, Buffer>();
    for (let step = await reader.order.nextStep(); step !== 'payload'; step = await reader.order.nextStep()) {
      signatures.set(step.claimedKeyId, await reader.readWhole());
    }
    return {
      manifestBytes,
      signatures,
      open: <Signer>(check: ManifestCheck<Signer>): OpenBundle<Signer> => {
        const signer = check(manifestBytes, signatures);
        const manifest = parseManifest(manifestBytes);
        return {
          signer,
          manifest,
          payload: (receive, watch) => reader.payload(manifest, receive, watch),
        };
      },
      close: () => reader.close(),
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

/** The pipeline file, gunzip, gate, tar parser; entries come out one at a time. */
class TarReader {
  readonly order = new EntryOrder();
  readonly #source: Readable;
  readonly #parser: Extract = extract();
  readonly #entries: AsyncIterator<Entry> = this.#parser[Symbol.asyncIterator]();
  /** Resolves at the end of the pipeline with what went wrong, if anything. */
  readonly #ended: Promise<Error | undefined>;

  constructor(source: Readable) {
    this.#source = source;
    const gate = new TarGate((entry, index) => this.order.admit(entry, index));
    this.#ended = new Promise((resolve) => {
      pipeline(gunzip(source), gate, this.#parser as unknown as Writable, (error) => {
        this.order.end(error ?? undefined);
        resolve(error ?? undefined);
      });
    });
  }

  /** The whole body of the next entry. For the head only, where {@link EntryOrder} has bounded the sizes. */
  async readWhole(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of await this.#next()) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  async payload(manifest: Manifest, receive: PayloadReceiver, watch?: PayloadWatch): Promise<void> {
    const { files } = manifest;
    const tally = new Tally(watch?.progress, payloadSize(files));
    const check = new PayloadCheck(manifest, receive, watch);
    this.order.allowPayload(files);
    try {
      for (const file of files) await this.#receive(file, check, tally);
      await this.#expectEnd();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #receive(file: ManifestFile, check: PayloadCheck, tally: Tally): Promise<void> {
    const entry = await this.#next();
    const { name, type } = entry.header;
    // The gate has admitted this header already; a parser that reads it otherwise must not go on.
    if (name !== file.path || type !== (file.sameAs === undefined ? 'file' : 'link')) {
      throw unexpectedEntry(name, file.path);
    }
    if (file.sameAs !== undefined) {
      entry.resume();
      return;
    }
    const body = new Verifying(file, tally.add);
    // An error of either stream destroys `body`, and its reader hears of it.
    pipeline(entry as unknown as Readable, body, () => undefined);
    await check.file(file, body);
  }

  /** The end comes only after gate and gunzip have seen the last byte of the file. */
  async #expectEnd(): Promise<void> {
    const after = await this.#entries.next();
    if (after.done !== true) throw unexpectedEntry(after.value.header.name, 'no more entries');
    const failure = await this.#ended;
    if (failure !== undefined) throw failure;
  }

  async #next(): Promise<Entry> {
    const next = await this.#entries.next();
    if (next.done !== true) return next.value;
    throw (await this.#ended) ?? endsEarly();
  }

  async close(): Promise<void> {
    this.order.end(undefined);
    this.#source.destroy();
    this.#parser.destroy();
    await this.#ended;
  }
}
