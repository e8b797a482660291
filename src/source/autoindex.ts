import { Parser } from 'htmlparser2';
import { PlugferryError } from '../errors.js';

/** A directory listing that a web server made. */
export interface Page {
  /** Names of directories, each once, in the order of the page. */
  readonly directories: readonly string[];
  readonly files: readonly string[];
  /** Links that lead anywhere but one step down, as they stand. None of them is followed. */
  readonly astray: readonly string[];
}

/** A page as it came. */
export interface RawPage {
  /** How errors call it. */
  readonly file: string;
  /** Media type. */
  readonly type: string;
  readonly bytes: Buffer;
}

/**
 * Reads what nginx's autoindex writes, as JSON or HTML, and HTML in the same manner from other servers.
 *
 * @throws PlugferryError `E_SOURCE` when it is neither.
 */
export function readPage(page: RawPage): Page {
  if (page.type === 'application/json') return readJson(page);
  if (page.type === 'text/html' || page.type === 'application/xhtml+xml') return readHtml(page);
  throw unreadable(page.file, page.type === '' ? 'no media type' : page.type);
}

/** `[{ "name": "key-auth", "type": "directory", ... }]` (nginx `autoindex_format json`); names stand as they are. */
function readJson({ file, bytes }: RawPage): Page {
  const rows = rowsOf(file, bytes);
  const isPlain = ({ name }: Row): boolean => isSegment(name);
  const named = (type: string): string[] => [
    ...new Set(rows.filter((row) => row.type === type && isPlain(row)).map(({ name }) => name)),
  ];
  return {
    directories: named('directory'),
    files: named('file'),
    astray: rows.filter((row) => !isPlain(row)).map(({ name }) => name),
  };
}

interface Row {
  readonly name: string;
  readonly type: string;
}

function rowsOf(file: string, bytes: Buffer): Row[] {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw unreadable(file, 'broken JSON', error);
  }
  if (Array.isArray(value) && value.every(isRow)) return value;
  throw unreadable(file, 'JSON of another kind');
}

function isRow(value: unknown): value is Row {
  if (typeof value !== 'object' || value === null) return false;
  const { name, type } = value as Readonly<Record<string, unknown>>;
  return typeof name === 'string' && typeof type === 'string';
}

/** Of a link only the href counts: nginx cuts the visible name off at 50 characters. */
function readHtml({ bytes }: RawPage): Page {
  const hrefs = new Set<string>();
  const parser = new Parser({
    onopentag: (tag, { href }) => {
      if (tag === 'a' && href !== undefined) hrefs.add(href.trim());
    },
  });
  parser.end(bytes.toString('utf8'));
  const directories = new Set<string>();
  const files = new Set<string>();
  const astray: string[] = [];
  for (const href of hrefs) {
    if (isHarmless(href)) continue;
    const step = stepOf(href);
    if (step === undefined) astray.push(href);
    else (step.isDirectory ? directories : files).add(step.name);
  }
  return { directories: [...directories], files: [...files], astray };
}

/** The way up, the page itself, and its other orders of sorting: on every listing, and of no interest. */
const isHarmless = (href: string): boolean => /^(?:\.{0,2}\/?|\?[^/]*|#.*)$/.test(href);

/** One plain path segment, percent-encoded, with a slash where it is a directory; a scheme needs a colon. */
function stepOf(href: string): { readonly name: string; readonly isDirectory: boolean } | undefined {
  const [, encoded = '', slash] = /^(?:\.\/)?([^/?#\\:]+)(\/?)$/.exec(href) ?? [];
  try {
    const name = decodeURIComponent(encoded);
    return isSegment(name) ? { name, isDirectory: slash === '/' } : undefined;
  } catch {
    return undefined;
  }
}

const isSegment = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);

const unreadable = (file: string, found: string, cause?: unknown): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file}: found ${found}, expected a directory listing in HTML or JSON`, {
    hint: 'Check the address. A plugin server lists its plugins with "autoindex on" (nginx), or is "plugferry serve".',
    details: { file, expected: 'directory listing', found },
    cause,
  });
