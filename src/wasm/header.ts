import type { ByteFeed, Reading } from './byte-feed.js';
import { unloadable } from './unloadable.js';

const magic = [0x00, 0x61, 0x73, 0x6d];
const header = Buffer.from([...magic, 0x01, 0x00, 0x00, 0x00]);
/** Length of magic and version in bytes. */
const headerLength = header.length;

/** Whether these are the first eight bytes of a core module, binary format version 1. */
export const isModuleHeader = (first8: Uint8Array): boolean =>
  header.equals(first8.subarray(0, headerLength));

/** As far into the file as it takes to tell what a file is: the mark of a tar stands at byte 257. */
const glimpseLength = 512;

/**
 * Checks magic and version, and leaves the feed behind them.
 *
 * @param name how errors call the file.
 * @throws PlugferryError `E_WASM` that says what the file looks like instead.
 */
export function* readHeader(feed: ByteFeed, name: string): Reading<void> {
  const glimpse = yield* feed.peek(glimpseLength);
  if (!isModuleHeader(glimpse)) {
    const { what, hint } = appearance(glimpse);
    throw unloadable(name, `not a WebAssembly core module: ${what}`, hint);
  }
  feed.skip(headerLength);
}

interface Appearance {
  readonly what: string;
  readonly hint?: string;
}

interface Look extends Appearance {
  readonly fits: (glimpse: Buffer) => boolean;
}

const startsWith =
  (mark: readonly number[] | string) =>
  (glimpse: Buffer): boolean => {
    const bytes = typeof mark === 'string' ? Buffer.from(mark) : Buffer.from(mark);
    return glimpse.subarray(0, bytes.length).equals(bytes);
  };
const textStarts =
  (pattern: RegExp) =>
  (glimpse: Buffer): boolean =>
    pattern.test(glimpse.toString('latin1').trimStart());

const unpack = 'Unpack it, and carry the plugin.wasm inside.';
const askedAgain = 'Fetch the module again, and check the address and the login.';

/** Each is something that was found in the field in the place of a module, or that a fetch or checkout leaves behind. */
const looks: readonly Look[] = [
  { fits: (glimpse) => glimpse.length === 0, what: 'it is empty' },
  { fits: (glimpse) => glimpse.length < headerLength, what: 'it is only a few bytes long' },
  {
    // The layer, behind the version: 0 is a module, 1 a component.
    fits: (glimpse) => startsWith(magic)(glimpse) && glimpse.readUInt16LE(6) === 1,
    what: 'it is a WebAssembly component, which no proxy-wasm gateway loads',
    hint: 'Build the plugin as a core module (for example target wasm32-wasip1, not wasm32-wasip2).',
  },
  { fits: startsWith(magic), what: 'its binary format version is not 1' },
  { fits: startsWith([0x1f, 0x8b]), what: 'it looks like gzip data', hint: unpack },
  { fits: startsWith('PK\x03\x04'), what: 'it looks like a zip archive', hint: unpack },
  { fits: startsWith([0x28, 0xb5, 0x2f, 0xfd]), what: 'it looks like zstd data', hint: unpack },
  {
    fits: (glimpse) => glimpse.toString('latin1', 257, 262) === 'ustar',
    what: 'it looks like a tar archive',
    hint: unpack,
  },
  { fits: startsWith('\x7fELF'), what: 'it looks like a native program (ELF)' },
  {
    fits: startsWith('version https://git-lfs'),
    what: 'it is a Git LFS pointer, not the file itself',
    hint: 'Run `git lfs pull` in the checkout.',
  },
  {
    fits: textStarts(/^(?:\(module|;;)/),
    what: 'it is WebAssembly text',
    hint: 'Compile it, for example with wat2wasm.',
  },
  { fits: textStarts(/^</), what: 'it looks like an HTML or XML page', hint: askedAgain },
  { fits: textStarts(/^[{[]/), what: 'it looks like JSON', hint: askedAgain },
];

const appearance = (glimpse: Buffer): Appearance =>
  looks.find(({ fits }) => fits(glimpse)) ?? { what: 'its first bytes are not those of one' };
