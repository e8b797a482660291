import { join } from 'node:path';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { refuseExisting, type CommitOptions } from '../files/atomic-file.js';
import { retire } from '../files/companions.js';
import { committedSet } from '../files/atomic-files.js';
import { sha256Of } from '../stream/digest.js';
import { readSmallFile } from '../files/open-regular.js';
import { readOneFile } from './one-file.js';
import { installScript, verifyText } from './texts.js';

/** Names of the files; `VERIFY.txt` explains them. */
const names = {
  program: 'plugferry.mjs',
  licenses: 'plugferry.licenses.txt',
  script: 'install.sh',
  digests: 'plugferry.sha256',
  signature: 'plugferry.sha256.sig',
  text: 'VERIFY.txt',
} as const;

/** Signs the list of digests. */
export type SignBytes = (bytes: Uint8Array) => Buffer | Promise<Buffer>;

/** One file that lies beside a bundle. */
export interface ToolFile {
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
}

export interface ToolRequest {
  /** Where the bundle is written. */
  readonly directory: string;
  /** Replace files that are there with other bytes. */
  readonly force: boolean;
  /** Without it, the list of digests is not signed. */
  readonly sign?: SignBytes | undefined;
}

interface Content {
  readonly path: string;
  readonly bytes: Buffer;
}

/** The program and what goes with it, ready to be written. */
export interface Tool {
  readonly files: readonly ToolFile[];
  /** Writes what is not there yet. */
  write(commit: Pick<CommitOptions, 'signal'>): Promise<void>;
}

/**
 * Prepares the program to travel: itself, its licences, a script for where it cannot run, digests of all these, a signature of those,
 * and a text that explains it. Nothing is written before {@link Tool.write}; files that are there already with these bytes stay.
 *
 * @throws PlugferryError `E_NOT_FOUND` when there is no one-file program, `E_EXISTS`, `E_IO`, and what `sign` throws.
 */
export async function prepareTool({ directory, force, sign }: ToolRequest): Promise<Tool> {
  const contents = (await contentsOf(sign)).map(({ path, bytes }) => ({
    path: join(directory, path),
    bytes,
  }));
  const missing: Content[] = [];
  for (const content of contents) {
    const there = await compare(content);
    if (there === 'other' && !force) throw exists(content.path);
    if (there !== 'same') missing.push(content);
  }
  const vouching = [names.digests, names.signature].map((name) => join(directory, name));
  // Other digests: whoever signed those that are there did not sign these.
  const isOutdated = missing.some(({ path }) => path === vouching[0]);
  if (isOutdated && !force) for (const path of vouching) await refuseExisting(path, force);
  return {
    files: contents.map(({ path, bytes }) => ({ file: path, size: bytes.length, sha256: sha256Of(bytes) })),
    write: async (commit) =>
      committedSet(
        { ...commit, force, ...(force && isOutdated ? { beforePublishing: () => retire(vouching) } : {}) },
        async (add) => {
          for (const { path, bytes } of missing) await (await add(path)).writeFile(bytes);
        },
      ),
  };
}

async function contentsOf(sign: SignBytes | undefined): Promise<Content[]> {
  const { bytes, licenses } = await readOneFile();
  const listed: Content[] = [
    { path: names.program, bytes },
    { path: names.licenses, bytes: Buffer.from(licenses) },
    { path: names.script, bytes: Buffer.from(installScript) },
  ];
  const digests = Buffer.from(listed.map((each) => `${sha256Of(each.bytes)}  ${each.path}\n`).join(''));
  return [
    ...listed,
    { path: names.digests, bytes: digests },
    ...(sign === undefined ? [] : [{ path: names.signature, bytes: await sign(digests) }]),
    { path: names.text, bytes: Buffer.from(verifyText) },
  ];
}

async function compare({ path, bytes }: Content): Promise<'none' | 'same' | 'other'> {
  try {
    return (await readSmallFile(path, 'file', bytes.length)).equals(bytes) ? 'same' : 'other';
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    if (error.code === 'E_LIMIT') return 'other';
    if (error.code === 'E_NOT_FOUND') return 'none';
    throw error;
  }
}

const exists = (file: string): PlugferryError =>
  new PlugferryError('E_EXISTS', `${file} exists already, and is not what --with-tool would write`, {
    hint: 'Write to another directory, or replace it with --force.',
    details: { file },
  });
