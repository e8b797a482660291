import { createHash } from 'node:crypto';
import { escapeText } from '../../stream/text.js';
import { isFailure } from './errors.js';
import { attributesAt, closeFile, openFile } from './requests.js';
import type { SftpSession } from './session.js';
import { readRange } from './transfer.js';

/** A run of bytes of a file on the server, and what it should be. */
export interface Claim {
  readonly path: string;
  /** @default 0 */
  readonly start?: number;
  /** Behind the last byte. */
  readonly end: number;
  readonly sha256: string;
}

/** SHA-256 of nothing. */
const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const probeLimit = 10_000;
/** Milliseconds for a server to hash a file: a slow disk reads 10 MB/s. */
const hashLimit = (length: number): number => 30_000 + length / 10_000;
/** Fewer bytes are read back faster than a shell starts. */
const worthAsking = 256 * 1024;
/** What hashes its standard input there. openssl knows the instructions that processors have for it: it is several times as fast. */
const hashers = ['openssl dgst -sha256 -r', 'sha256sum'] as const;
const found = new WeakMap<SftpSession, Promise<string | undefined>>();

/**
 * Compares bytes on the server with a digest. Where the account has a shell with `openssl` or `sha256sum`, the server hashes and
 * nothing travels; anything but agreement is settled by reading the bytes back.
 *
 * @returns `unreadable` where we may write but not read.
 */
export async function proves(session: SftpSession, claim: Claim): Promise<'yes' | 'no' | 'unreadable'> {
  if (await serverAgrees(session, claim)) return 'yes';
  try {
    return (await readBack(session, claim)) === claim.sha256 ? 'yes' : 'no';
  } catch (error) {
    if (isFailure(error, 'EACCES', 'ENOTSUP')) return 'unreadable';
    throw error;
  }
}

async function serverAgrees(session: SftpSession, { path, start = 0, end, sha256 }: Claim): Promise<boolean> {
  return start === 0 && (await serverSha256(session, path, end)) === sha256;
}

/** SHA-256 of the first `end` bytes of a file as the server finds it; undefined where it cannot, or where that is not worth it. */
export async function serverSha256(
  session: SftpSession,
  path: string,
  end: number,
): Promise<string | undefined> {
  if (end < worthAsking || !isPlain(path)) return undefined;
  const hasher = await hasherOf(session);
  if (hasher === undefined) return undefined;
  const quoted = `'${path.replaceAll("'", `'\\''`)}'`;
  const isWhole = (await attributesAt(session, path)).size === end;
  const command = isWhole ? `${hasher} < ${quoted}` : `head -c ${end} < ${quoted} | ${hasher}`;
  return digestIn(await session.run(command, hashLimit(end)));
}

/** Paths that no shell reads otherwise than they are meant. */
const isPlain = (path: string): boolean => escapeText(path) === path && !/[!\\]/.test(path);

const digestIn = (text: string | undefined): string | undefined =>
  /^([0-9a-f]{64})[ \t]+\*?(?:-|stdin)\s*$/.exec(text ?? '')?.[1];

/** Which of the programs the account can run, if any. */
function hasherOf(session: SftpSession): Promise<string | undefined> {
  const known = found.get(session);
  if (known !== undefined) return known;
  const asked = session
    .run(hashers.map((hasher) => `${hasher} < /dev/null`).join(' || '), probeLimit)
    .then((said) => {
      if (digestIn(said) !== emptySha256) return undefined;
      return said?.includes('stdin') === true ? hashers[0] : hashers[1];
    });
  found.set(session, asked);
  return asked;
}

async function readBack(session: SftpSession, { path, start = 0, end }: Claim): Promise<string> {
  const handle = await openFile(session, path, { flags: 'r' });
  try {
    const hash = createHash('sha256');
    for await (const piece of readRange(session, { path, handle, start, end })) hash.update(piece);
    return hash.digest('hex');
  } finally {
    await closeFile(session, path, handle).catch(() => undefined);
  }
}
