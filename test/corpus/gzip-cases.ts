import { gzipSync } from 'node:zlib';
import { bundleParts, headEntries, tarGz } from '../helpers/bundle.js';
import type { CorpusCase, Lab } from '../helpers/corpus.js';
import { rawEntry, rawTar } from '../helpers/tar.js';
import { noise } from '../helpers/wasm.js';

const honest = ({ key }: Lab): Buffer => tarGz(bundleParts([key]).entries);
const honestTar = ({ key }: Lab): Buffer => rawTar(bundleParts([key]).entries);

/** Behind the honest end of a bundle stands each of `tails`. */
const followedBy =
  (...tails: readonly Buffer[]) =>
  (lab: Lab): Buffer[] =>
    tails.map((tail) => Buffer.concat([honest(lab), tail]));

const hidden = rawTar([{ name: 'plugins/x/1.0.0/plugin.wasm', body: Buffer.from('evil') }]);

/** One bit of an honest bundle is turned, at each of these places counted from its end. */
const turned =
  (...fromEnd: readonly number[]) =>
  (lab: Lab): Buffer[] =>
    fromEnd.map((back) => {
      const bytes = honest(lab);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - back) ^ 1, bytes.length - back);
      return bytes;
    });

const GiB = 1024 ** 3;

/**
 * Gzip of `head` and then 10 GiB of zeros, in 10 MiB: a member of 16 MiB, over and over. Nobody has to make the zeros.
 */
function bomb(head: Buffer): Buffer {
  const piece = 16 * 1024 * 1024;
  const member = gzipSync(Buffer.alloc(piece), { level: 9 });
  // The reader looks at the header of the first member only.
  return Buffer.concat([gzipSync(head), ...Array.from({ length: (10 * GiB) / piece }, () => member)]);
}

/** A header that announces the largest body that ustar can express: 8 GiB but one. */
const announcing = (name: string, size = 8 * GiB - 1): Buffer =>
  rawEntry({ name, size: Buffer.from(`${size.toString(8).padStart(11, '0')} `) });

/** Everything up to the module of an honest bundle whose signed manifest says that the module has `size` bytes. */
function beforeModule({ key }: Lab, size: number): Buffer {
  const parts = bundleParts([key], [{ name: 'waf', version: '1.0.0' }], (manifest) => {
    const module = manifest.files.at(-1)!;
    manifest.totalSize += size - module.size;
    module.size = size;
    return manifest;
  });
  return rawTar(parts.entries.slice(0, -1), Buffer.alloc(0));
}

const modulePath = 'plugins/waf/1.0.0/plugin.wasm';

const truncated = (bytes: Buffer): Buffer[] =>
  [1, 4, 7, 8, 9, 100].map((missing) => bytes.subarray(0, bytes.length - missing));

const split = (tar: Buffer, at: readonly number[]): Buffer =>
  Buffer.concat([0, ...at].map((start, index) => gzipSync(tar.subarray(start, at[index]))));

export const cases: readonly CorpusCase[] = [
  {
    id: 'G01',
    title: 'trailing garbage',
    expect: 'G',
    build: followedBy(Buffer.from('x'), Buffer.from('\0'), noise(1, 3_000_000), Buffer.from('garbage\n')),
  },
  {
    id: 'G02',
    title: '1f8b junk',
    expect: 'G',
    build: followedBy(
      Buffer.from('1f8b', 'hex'),
      Buffer.from('1f', 'hex'),
      Buffer.from('1f8b0800000000000003', 'hex'),
      Buffer.from('1f8b09000000000000030000', 'hex'),
      Buffer.concat([Buffer.from('1f8b', 'hex'), noise(2, 1000)]),
    ),
  },
  {
    id: 'G03',
    title: 'zeros and a second gzip',
    expect: 'G',
    build: followedBy(
      Buffer.concat([Buffer.alloc(1), gzipSync(hidden)]),
      Buffer.concat([Buffer.alloc(512), gzipSync(hidden)]),
      Buffer.alloc(1_000_000),
    ),
  },
  { id: 'G04', title: 'truncated', expect: 'G', build: (lab) => truncated(honest(lab)) },
  // Eight bytes close a member: CRC-32, then the length.
  { id: 'G05', title: 'bad trailer', expect: 'G', build: turned(1, 2, 3, 4, 5, 6, 7, 8) },
  {
    id: 'G06',
    title: 'gzip bomb in the manifest slot',
    expect: 'L',
    build: () => [bomb(announcing('manifest.json')), bomb(announcing('manifest.json', 4 * 1024 * 1024 + 1))],
  },
  {
    id: 'G06',
    title: 'gzip bomb in a payload that the manifest announces',
    expect: 'L',
    build: (lab) => [bomb(Buffer.concat([beforeModule(lab, 10 * GiB), announcing(modulePath)]))],
  },
  {
    id: 'G06',
    title: 'gzip bomb where the manifest announces something small',
    expect: 'C',
    build: (lab) => [
      bomb(Buffer.concat([beforeModule(lab, 1000), announcing(modulePath)])),
      // The announced size is right, and the zeros come behind it.
      bomb(rawTar(bundleParts([lab.key]).entries)),
      // All zeros from the start, and behind a manifest that seems to go on.
      bomb(Buffer.alloc(0)),
    ],
  },
  {
    id: 'G06',
    title: 'gzip bomb of 16 MiB a member, as a manifest of zeros',
    expect: 'C',
    build: ({ key }) => [
      bomb(rawTar(headEntries(Buffer.alloc(4 * 1024 * 1024), [key]).slice(0, 1), Buffer.alloc(0))),
    ],
  },
  {
    id: 'G07',
    title: 'second member continues the tar stream',
    expect: 'OK',
    build: (lab) => {
      const tar = honestTar(lab);
      return [
        split(tar, [512]),
        split(tar, [1, 2, 3]),
        split(tar, [700, 5000, tar.length - 1]),
        // An empty member says nothing.
        split(tar, [1024, 1024, 1024]),
      ];
    },
  },
  {
    id: 'G08',
    title: 'second member after tar EOF, non-zero',
    expect: 'C',
    build: followedBy(gzipSync(hidden), gzipSync(Buffer.from('x')), gzipSync(Buffer.alloc(20_000))),
  },
];
