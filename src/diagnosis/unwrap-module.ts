import { createGunzip } from 'node:zlib';
import { Readable } from 'node:stream';

/** What was around a module. */
export type Box = 'gzip' | 'tar';

/** Bytes that are no module, in words. */
export class NoModule extends Error {}

/** Boxes in boxes in boxes: nobody does that, but who wants to fill a memory. */
const maxBoxes = 4;
const tarBlock = 512;

type Bytes = AsyncIterable<Uint8Array>;

/**
 * Takes a module out of its boxes as the gateway does (istio `pkg/wasm/httpfetcher.go`, `unboxIfPossible`): what begins like
 * gzip is decompressed, of what looks like tar the first file is taken, until it begins like a module.
 *
 * @param opened hears of each box.
 * @throws NoModule for anything else; zlib's errors for damaged gzip.
 */
export async function* unboxed(bytes: Bytes, opened: (box: Box) => void, depth = 0): AsyncGenerator<Buffer> {
  const { head, all } = await peek(bytes, tarBlock);
  if (head.length === 0) throw new NoModule('nothing at all');
  if (head.subarray(0, 4).equals(wasmMagic)) {
    if (head.length < 8) throw new NoModule(`${head.length} bytes, and no module is shorter than 8`);
    yield* all;
    return;
  }
  const box = boxOf(head);
  if (box === undefined) throw new NoModule(`neither wasm, gzip nor tar: it begins with ${shown(head)}`);
  if (depth === maxBoxes) throw new NoModule(`a module in more than ${maxBoxes} boxes`);
  opened(box);
  yield* unboxed(box === 'gzip' ? gunzipped(all) : firstFile(all), opened, depth + 1);
}

const wasmMagic = Buffer.from([0x00, 0x61, 0x73, 0x6d]);

function boxOf(head: Buffer): Box | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  return head.subarray(257, 262).toString('latin1') === 'ustar' ? 'tar' : undefined;
}

const shown = (head: Buffer): string =>
  JSON.stringify(
    head
      .subarray(0, 24)
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, '.'),
  );

/** The first bytes, and all of them. */
async function peek(
  bytes: Bytes,
  wanted: number,
): Promise<{ readonly head: Buffer; readonly all: AsyncGenerator<Buffer> }> {
  const iterator = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < wanted) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    try {
      yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield Buffer.from(next.value);
    } finally {
      await iterator.return?.();
    }
  };
  return { head, all: all() };
}

async function* gunzipped(bytes: Bytes): AsyncGenerator<Buffer> {
  const source = Readable.from(bytes);
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip)) yield chunk as Buffer;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** The content of the first entry that is a file; those before it are the archive's own. */
async function* firstFile(bytes: Bytes): AsyncGenerator<Buffer> {
  let header = Buffer.alloc(0);
  let [skip, rest] = [0, 0];
  let inside = false;
  for await (const piece of bytes) {
    let chunk = Buffer.from(piece);
    while (chunk.length > 0) {
      if (inside) {
        yield chunk.subarray(0, rest);
        rest -= Math.min(rest, chunk.length);
        if (rest === 0) return;
        break;
      }
      const dropped = Math.min(skip, chunk.length);
      skip -= dropped;
      chunk = chunk.subarray(dropped);
      const missing = tarBlock - header.length;
      header = Buffer.concat([header, chunk.subarray(0, missing)]);
      chunk = chunk.subarray(missing);
      if (header.length < tarBlock) break;
      const size = entrySize(header);
      if (/[xgLK]/.test(String.fromCharCode(header[156] ?? 0))) skip = Math.ceil(size / tarBlock) * tarBlock;
      else [inside, rest] = [true, size];
      header = Buffer.alloc(0);
      if (inside && rest === 0) return;
    }
  }
  throw new NoModule(
    inside ? 'a tar archive that ends in the middle of its file' : 'a tar archive without a file',
  );
}

function entrySize(header: Buffer): number {
  const digits = header
    .subarray(124, 136)
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .trim();
  if (/^[0-7]{1,12}$/.test(digits)) return Number.parseInt(digits, 8);
  throw new NoModule('a tar archive whose first entry has no size');
}
