import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { ioError } from '../files/file-errors.js';
import { isDirectory, readSmallFile } from '../files/open-regular.js';

/** A text of resources, and how errors and results call it. */
export interface ResourceText {
  readonly file: string;
  readonly text: string;
}

/** Most bytes of one file: as much as `parseYaml` takes. */
const maxFileBytes = 16 * 1024 * 1024;
/** Most bytes of all files of a directory. */
const maxTotalBytes = 64 * 1024 * 1024;
/** Most files of a directory. */
const maxFiles = 10_000;
const maxDepth = 16;

/**
 * The texts at a place: a file; all `*.yaml`, `*.yml` and `*.json` files of a directory and of those below it, in the order of
 * their paths; or `-`, which is `stdin`. Names with a leading dot are passed over, as are directories behind symbolic links:
 * so the mount of a ConfigMap is read once.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`, `E_LIMIT`; `E_SOURCE` for what is not UTF-8.
 */
export async function readResourceTexts(location: string, stdin: Readable): Promise<ResourceText[]> {
  if (location === '-') return [textOf('standard input', await readAll(stdin))];
  if (!(await isDirectory(location))) return [await textIn(location)];
  const texts: ResourceText[] = [];
  let total = 0;
  for (const file of await filesBelow(location)) {
    const text = await textIn(file);
    total += text.text.length;
    if (total > maxTotalBytes) throw tooMuch(location, `more than ${maxTotalBytes} bytes of resources`);
    texts.push(text);
  }
  return texts;
}

const textIn = async (file: string): Promise<ResourceText> =>
  textOf(file, await readSmallFile(file, 'resource', maxFileBytes));

function textOf(file: string, bytes: Uint8Array): ResourceText {
  try {
    return { file, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (cause) {
    throw new PlugferryError('E_SOURCE', `${file} is not UTF-8 text`, {
      hint: 'Give resources as YAML or JSON in UTF-8.',
      details: { file, expected: 'UTF-8' },
      cause,
    });
  }
}

async function readAll(stdin: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk as Buffer);
    size += bytes.length;
    if (size > maxFileBytes) throw tooMuch('standard input', `more than ${maxFileBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

async function filesBelow(root: string): Promise<string[]> {
  const files: string[] = [];
  const visit = async (directory: string, depth: number): Promise<void> => {
    if (depth > maxDepth) throw tooMuch(directory, `directories more than ${maxDepth} deep`);
    for (const entry of await entriesOf(directory)) {
      const path = join(directory, entry.name);
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) await visit(path, depth + 1);
      else if (/\.(?:ya?ml|json)$/i.test(entry.name) && !(await isDirectory(path))) files.push(path);
      if (files.length > maxFiles) throw tooMuch(root, `more than ${maxFiles} files`);
    }
  };
  await visit(root, 0);
  return files;
}

async function entriesOf(directory: string) {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw ioError(error, directory);
  }
}

const tooMuch = (file: string, found: string): PlugferryError =>
  new PlugferryError('E_LIMIT', `${file} holds ${found}`, {
    hint: 'Give the directory or file that holds the resources and little else.',
    details: { file, found },
  });
