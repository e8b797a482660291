import { PlugferryError } from '../errors.js';
import { minPartFile } from './shape.js';

/** Media by name, as the most bytes of a file on them. */
export const media = {
  /** The largest file of FAT32. */
  fat32: 4_294_967_295,
  /** A CD-R of 80 minutes has 737,280,000 bytes, of which its file system takes some. */
  cd: 735_000_000,
  /** A DVD-R has 4,707,319,808 bytes, a DVD+R 4,700,372,992. Needs UDF: ISO 9660 ends at 4 GiB. */
  dvd: 4_690_000_000,
  /** Two layers. */
  'dvd-dl': 8_520_000_000,
  /** A Blu-ray disc of one layer. */
  bd: 25_000_000_000,
} as const;

const units = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 } as const;

/**
 * The most bytes of a part file: a number with K, M or G (powers of 1024), or a medium by name.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function parseSplitSize(text: string): number {
  const name = text.toLowerCase();
  if (Object.hasOwn(media, name)) return media[name as keyof typeof media];
  const [, digits, unit = ''] = /^([1-9][0-9]{0,9})([KMG]?)$/.exec(text.toUpperCase()) ?? [];
  const bytes = Number(digits) * units[unit as keyof typeof units];
  if (Number.isSafeInteger(bytes) && bytes >= minPartFile) return bytes;
  throw new PlugferryError('E_USAGE', `"${text}" is no size for parts`, {
    hint: `Give at least 1M, such as 700M or 2G, or one of ${Object.keys(media).join(', ')}.`,
    details: { found: text, expected: minPartFile },
  });
}

/**
 * How much parity, in percent: `10%` or `10`.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function parseParity(text: string): number {
  const [, digits] = /^([0-9]{1,3})%?$/.exec(text) ?? [];
  const percent = Number(digits);
  if (percent <= 100) return percent;
  throw new PlugferryError('E_USAGE', `"${text}" is no amount of parity`, {
    hint: 'Give 0% to 100%: with 20%, any two of ten parts can be lost.',
    details: { found: text },
  });
}
