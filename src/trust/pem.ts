import { PlugferryError } from '../errors.js';

/** One block of a PEM file (RFC 7468). */
export interface PemBlock {
  /** `PUBLIC KEY`, `CERTIFICATE`, ... */
  readonly label: string;
  /** `Name: value` lines in front of the content, which only keys encrypted by older programs have. */
  readonly headers: readonly string[];
  readonly content: Buffer;
  /** The block alone, as other programs read it. */
  readonly text: string;
}

/** Characters of a line of base64 in PEM; only the last line may have another number. */
const width = 64;
/** Most characters of a label or a line that an error repeats. */
const quoteLength = 40;

/**
 * The blocks of a PEM file that holds nothing else but blank lines. Two readers that skip different things would see different
 * keys in one file, so nothing is skipped: no text around a block, no stray bits, no lines of odd lengths. Lines end with a line
 * feed, with or without a carriage return.
 *
 * @throws PlugferryError `E_KEY`, which names the line.
 */
export function pemBlocks(bytes: Buffer, file: string): readonly PemBlock[] {
  const lines = bytes.toString('latin1').split(/\r?\n/);
  const blocks: PemBlock[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.trim() === '') continue;
    const label = /^-----BEGIN ([A-Z0-9][A-Z0-9 ]*)-----$/.exec(line)?.[1];
    if (label === undefined) throw refused(file, `line ${at + 1} is no part of a PEM block: ${shown(line)}`);
    const end = lines.findIndex((each, index) => index > at && each.startsWith('-----'));
    if (end < 0) throw refused(file, `the block ${shown(label)} has no end`);
    if (lines[end] !== `-----END ${label}-----`)
      throw refused(file, `line ${end + 1} is ${shown(lines[end] ?? '')}, expected -----END ${label}-----`);
    blocks.push(blockOf({ label, lines: lines.slice(at + 1, end), first: at + 2, file }));
    at = end;
  }
  return blocks;
}

interface Inside {
  readonly label: string;
  readonly lines: readonly string[];
  /** Number of the first of them in the file. */
  readonly first: number;
  readonly file: string;
}

function blockOf({ label, lines, first, file }: Inside): PemBlock {
  const blank = lines.findIndex((line) => line === '');
  const headers = lines.slice(0, Math.max(blank, 0));
  const odd = headers.findIndex((line) => !/^[A-Za-z0-9-]+: [\x20-\x7e]+$/.test(line));
  if (odd >= 0) throw refused(file, `line ${first + odd} is no header: ${shown(headers[odd] ?? '')}`);
  const body = lines.slice(blank + 1);
  for (const [at, line] of body.entries()) {
    const isWhole = at < body.length - 1 ? line.length === width : line.length > 0;
    if (isWhole && /^[A-Za-z0-9+/]+={0,2}$/.test(line)) continue;
    throw refused(file, `line ${first + blank + 1 + at} is no line of base64: ${shown(line)}`);
  }
  const base64 = body.join('');
  const content = Buffer.from(base64, 'base64');
  if (content.toString('base64') !== base64) throw refused(file, `the base64 of ${shown(label)} is damaged`);
  const text = [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
  return { label, headers, content, text };
}

const shown = (text: string): string =>
  JSON.stringify(text.length > quoteLength ? `${text.slice(0, quoteLength)}...` : text);

const refused = (file: string, found: string): PlugferryError =>
  new PlugferryError('E_KEY', `${file}: ${found}`, {
    hint: 'Expected is one key in PEM, as "plugferry keygen" and openssl write it, and nothing around it.',
    details: { file, found },
  });
