import { posix } from 'node:path';
import { making, orIfMissing } from './explain.js';
import { SftpFailure } from './errors.js';
import { entriesOf } from './listing.js';
import { attributesAt, attributesBehind, makeDirectory, removeDirectory, removeFile } from './requests.js';
import type { SftpSession } from './session.js';

/** No volume is as deep; a server that lists directories in directories for ever is stopped. */
const maxDepth = 32;

/** Makes a directory and what is missing above it. @returns the first that was made */
export async function makeDirectories(
  session: SftpSession,
  path: string,
  mode: number,
): Promise<string | undefined> {
  const missing: string[] = [];
  for (let at = path; at !== '/'; at = posix.dirname(at)) {
    const there = await orIfMissing(attributesBehind(session, at));
    if (there?.isDirectory() === true) break;
    if (there !== undefined) throw new SftpFailure('ENOTDIR', at, 'not a directory');
    missing.unshift(at);
  }
  for (const each of missing) await making(session, each, makeDirectory(session, each, mode));
  return missing[0];
}

/** Removes whatever is at a path and below it; links are not followed, and nothing is fine. */
export async function removeAll(session: SftpSession, path: string): Promise<void> {
  const there = await orIfMissing(attributesAt(session, path));
  if (there === undefined) return;
  if (there.isDirectory()) await removeTree(session, path, 0);
  else await orIfMissing(removeFile(session, path));
}

async function removeTree(session: SftpSession, path: string, depth: number): Promise<void> {
  if (depth > maxDepth)
    throw new SftpFailure('EBADMSG', path, `more than ${maxDepth} directories in one another`);
  for (const entry of (await orIfMissing(entriesOf(session, path))) ?? []) {
    const each = posix.join(path, entry.name);
    if (entry.isDirectory()) await removeTree(session, each, depth + 1);
    else await orIfMissing(removeFile(session, each));
  }
  await orIfMissing(removeDirectory(session, path));
}
