import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { PlugferryError } from '../errors.js';
import { Mailbox } from '../stream/async-queue.js';
import type { Progress } from '../stream/progress.js';
import type { ManifestFile } from '../schema/manifest.js';
import type { OpenBundle, SealedBundle } from './bundle.js';
import type { BundleContent } from './write-archive.js';

/** A bundle on its way into another container. */
export interface Carriage {
  readonly sealed: SealedBundle;
  readonly opened: OpenBundle<unknown>;
  /** What the new container carries; the sealed bundle's own, or more. */
  readonly signatures: ReadonlyMap<string, Buffer>;
  /** Told how many bytes of files have gone over. */
  readonly progress?: Progress | undefined;
}

/**
 * Lets `pack` write what an opened bundle holds, manifest and payload byte for byte, under other signatures. Files go from
 * reader to writer one at a time and are proven on the way; the result stands only when the old container ended properly.
 *
 * @throws what reading throws rather than what writing made of it.
 */
export async function carry<T>(
  { sealed, opened, signatures, progress }: Carriage,
  pack: (content: BundleContent) => Promise<T>,
): Promise<T> {
  const bodies = new Mailbox<{ readonly file: ManifestFile; readonly body: Readable }>();
  let failure: Error | undefined;
  const writing = new AbortController();
  const reading = opened
    .payload(async (file, body) => {
      bodies.put({ file, body });
      await finished(body, { writable: false, signal: writing.signal });
    })
    .catch((error: unknown) => {
      failure = error instanceof Error ? error : new Error(String(error));
      bodies.fail(failure);
    });
  const content: BundleContent = {
    manifestBytes: sealed.manifestBytes,
    signatures,
    files: opened.manifest.files,
    date: new Date(opened.manifest.createdAt),
    progress,
    open: async (wanted) => {
      const { file, body } = await bodies.take();
      if (file.path !== wanted.path) throw outOfStep(wanted.path, file.path);
      return body;
    },
  };
  try {
    const result = await pack(content);
    await reading;
    if (failure !== undefined) throw failure;
    return result;
  } catch (error) {
    const first = failure ?? error;
    // Nobody takes the body that reading waits with, nor any other: it gives up.
    writing.abort();
    await sealed.close();
    await reading;
    throw first;
  }
}

const outOfStep = (expected: string, found: string): PlugferryError =>
  new PlugferryError('E_INTERNAL', `the writer asks for ${expected} when the reader has ${found}`, {
    hint: 'This is a defect of Plugferry. Please report it.',
  });
