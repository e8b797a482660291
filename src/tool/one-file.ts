import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PlugferryError } from '../errors.js';
import { isUsualFile, openRegular } from '../files/open-regular.js';
import { version } from '../version.js';

/** Set by the build that makes one file of everything. */
declare const PLUGFERRY_ONE_FILE: true | undefined;

/** What that build begins its second line with, behind the line that finds node. */
const oneFileMark = `// plugferry ${version}, `;
/** The line in front of the licences, which stand at the end as comments. */
const licensesMark = '// ---- licences of what is in this file ----';

/** The program in one file. */
export interface OneFile {
  readonly bytes: Buffer;
  /** The licences of every package in it. */
  readonly licenses: string;
}

/**
 * The one-file build of this very program: itself, where it runs as that, and else the one that the package has.
 *
 * @throws PlugferryError `E_NOT_FOUND` when it was never made, `E_IO`.
 */
export async function readOneFile(): Promise<OneFile> {
  const path = await findOneFile();
  const handle = await openRegular(path, 'one-file program');
  try {
    const bytes = await handle.readFile();
    const text = bytes.toString('utf8');
    const end = text.lastIndexOf(`\n${licensesMark}\n`);
    if (!text.startsWith(oneFileMark, text.indexOf('\n') + 1) || end === -1) throw otherBuild(path);
    return { bytes, licenses: uncommented(text.slice(end + licensesMark.length + 2)) };
  } finally {
    await handle.close();
  }
}

async function findOneFile(): Promise<string> {
  const own = fileURLToPath(import.meta.url);
  if (typeof PLUGFERRY_ONE_FILE !== 'undefined') return own;
  const path = join(await packageRoot(dirname(own)), 'dist/plugferry.mjs');
  if (await isUsualFile(path)) return path;
  throw new PlugferryError('E_NOT_FOUND', `${path} does not exist`, {
    hint: 'Make it with "npm run bundle" in the directory of Plugferry; the published package has it.',
    details: { file: path },
  });
}

/** The directory of our package.json, from wherever in it this was compiled to. */
async function packageRoot(directory: string): Promise<string> {
  const text = await readFile(join(directory, 'package.json'), 'utf8').catch(() => '{}');
  if ((JSON.parse(text) as { name?: string }).name === 'plugferry') return directory;
  const parent = dirname(directory);
  if (parent === directory) throw new PlugferryError('E_INTERNAL', 'this program is in no package');
  return packageRoot(parent);
}

const uncommented = (text: string): string => text.replaceAll(/^\/\/ ?/gm, '');

const otherBuild = (file: string): PlugferryError =>
  new PlugferryError('E_NOT_FOUND', `${file} is not the one-file program of version ${version}`, {
    hint: 'Make it again with "npm run bundle".',
    details: { file, expected: version },
  });
