import { PlugferryError } from '../errors.js';
import { formatPluginId, isPluginName, isPluginVersion, type PluginId } from './plugin.js';

/** What a metadata.txt says. The times are carried as they stand: local time without an offset, so they name no moment. */
export interface Metadata {
  readonly name: string;
  /** Only where the first line is `File: name:version`. */
  readonly version?: string;
  /** Bytes of plugin.wasm. */
  readonly size: number;
  readonly lastModified: string;
  readonly created: string;
  /** Of plugin.wasm, 32 lower-case hex characters. */
  readonly md5: string;
}

/** Largest metadata.txt that is read, in bytes. A real one has some 150. */
export const maxMetadataBytes = 64 * 1024;

/**
 * Both timestamps of the files that Plugferry writes. The field's generators put the file times of the build machine
 * here; those say nothing about the bytes, and equal modules must have equal metadata, or a bundle could not be made twice.
 */
const timestamp = '1980-01-01T00:00:00';

/** Python's `datetime.isoformat()`: the fraction has six digits, and is absent when it is zero. */
const timePattern =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3])(?::[0-5]\d){2}(?:\.\d{6})?$/;
const sizePattern = /^(?:0|[1-9]\d{0,14}) bytes$/;
const md5Pattern = /^[0-9a-f]{32}$/;

const firstLine = 'Plugin Name: <name> or File: <name>:<version>';
const lines = [firstLine, 'Size: <n> bytes', 'Last Modified: <time>', 'Created: <time>', 'MD5: <32 hex>'];

/**
 * Reads the metadata.txt of a plugin-server tree, in either of the two forms that its generators write (plugin-server
 * `pull_plugins.py` and `generate_metadata.py`). Windows line ends and a missing last line feed are accepted: both come
 * from editors, and neither changes what is said.
 *
 * @param file how errors call it.
 * @throws PlugferryError `E_METADATA` with file and line.
 */
export function parseMetadata(text: string, file: string): Metadata {
  if (text.length > maxMetadataBytes) {
    throw refused(file, `larger than ${maxMetadataBytes} bytes`, { expected: maxMetadataBytes });
  }
  const found = text.replace(/\r?\n$/, '').split(/\r?\n/);
  const value = (index: number, label: string, pattern: RegExp): string => {
    const line = found[index];
    const content = line?.startsWith(`${label}: `) === true ? line.slice(label.length + 2) : '';
    if (!pattern.test(content)) throw unexpected(file, index, line);
    return content;
  };
  const identity = parseIdentity(found[0] ?? '');
  if (identity === undefined) throw unexpected(file, 0, found[0]);
  const metadata = {
    ...identity,
    size: Number.parseInt(value(1, 'Size', sizePattern), 10),
    lastModified: value(2, 'Last Modified', timePattern),
    created: value(3, 'Created', timePattern),
    md5: value(4, 'MD5', md5Pattern),
  };
  if (found.length > lines.length) throw unexpected(file, lines.length, found[lines.length]);
  return metadata;
}

function parseIdentity(line: string): Pick<Metadata, 'name' | 'version'> | undefined {
  const [, plain] = /^Plugin Name: (.*)$/.exec(line) ?? [];
  if (plain !== undefined) return isPluginName(plain) ? { name: plain } : undefined;
  const [, name = '', version = ''] = /^File: ([^:]*):(.*)$/.exec(line) ?? [];
  return isPluginName(name) && isPluginVersion(version) ? { name, version } : undefined;
}

/** Longest piece of a wrong line that an error repeats. */
const quoteLength = 80;

function unexpected(file: string, index: number, line: string | undefined): PlugferryError {
  const found = line === undefined ? 'the end of the file' : `"${line.slice(0, quoteLength)}"`;
  const expected = lines[index] ?? 'the end of the file';
  return refused(file, `line ${index + 1} is ${found}, expected ${expected}`, {
    line: index + 1,
    expected,
    found,
  });
}

const refused = (
  file: string,
  reason: string,
  details: Readonly<Record<string, string | number>>,
): PlugferryError =>
  new PlugferryError('E_METADATA', `${file}: ${reason}`, {
    hint: 'Have the file written again by what made it, or delete it: it is optional, and is made anew on export.',
    details: { file, ...details },
  });

/** The text of a metadata.txt, five lines; the same module always gives the same text. */
export const formatMetadata = ({ name, size, md5 }: Pick<Metadata, 'name' | 'size' | 'md5'>): string =>
  [
    `Plugin Name: ${name}`,
    `Size: ${size} bytes`,
    `Last Modified: ${timestamp}`,
    `Created: ${timestamp}`,
    `MD5: ${md5}`,
    '',
  ].join('\n');

/** Whether metadata speaks of this plugin; in the dialect that says a version, of this one. */
export const isOf = (metadata: Pick<Metadata, 'name' | 'version'>, { name, version }: PluginId): boolean =>
  metadata.name === name && (metadata.version === undefined || metadata.version === version);

/**
 * Refuses metadata that lies in the directory of another plugin than it speaks of.
 *
 * @param file how errors call the metadata.txt.
 * @throws PlugferryError `E_METADATA` with both names.
 */
export function checkOwner(metadata: Metadata, id: PluginId, file: string): void {
  if (isOf(metadata, id)) return;
  const { name, version } = metadata;
  const [expected, found] =
    version === undefined ? [id.name, name] : [formatPluginId(id), formatPluginId({ name, version })];
  throw new PlugferryError('E_METADATA', `${file} speaks of ${found}, but lies with ${expected}`, {
    hint: 'Have the bundle exported again: a metadata.txt that speaks of another plugin is made anew there.',
    details: { file, expected, found },
  });
}

/**
 * Refuses metadata that contradicts the module beside it.
 *
 * @param digest of plugin.wasm.
 * @param file how errors call the metadata.txt.
 * @throws PlugferryError `E_METADATA` with both values.
 */
export function checkMetadata(
  metadata: Metadata,
  digest: { readonly size: number; readonly md5: string },
  file: string,
): void {
  if (metadata.size !== digest.size) {
    throw contradiction(file, 'Size', [`${metadata.size} bytes`, `${digest.size} bytes`]);
  }
  if (metadata.md5 !== digest.md5) throw contradiction(file, 'MD5', [metadata.md5, digest.md5]);
}

const contradiction = (
  file: string,
  what: string,
  [expected, found]: readonly [string, string],
): PlugferryError =>
  new PlugferryError('E_METADATA', `${file}: ${what} is ${expected}, but that of plugin.wasm is ${found}`, {
    hint: 'One of the two files is of another build. Fetch or build both again.',
    details: { file, expected, found },
  });
