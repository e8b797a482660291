import { constants, type BigIntStats } from 'node:fs';
import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../errors.js';
import { DigestMeter, type Digest } from '../stream/digest.js';
import { formatBytes } from '../stream/text.js';
import { maxModuleBytes } from '../plugin/plugin.js';

/**
 * What the kernel says about a file. While none of it changes the bytes are those that were measured. `ctime` is part of
 * it because `touch -r` and `cp -p` can put back the modification time, but never that.
 */
type Facts = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>;

/** A file as it goes out: where its bytes lie and what is promised about them. */
export interface ServedFile {
  /** Absolute path on this machine. */
  readonly path: string;
  /** The plugins directory that the file must lie in, all links resolved. */
  readonly root: string;
  /** Media type. */
  readonly type: string;
  readonly digest: Digest;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /** The digest was recorded before this server started, so bytes with another one are damage and not a new edition. */
  readonly pinned: boolean;
  readonly facts: Facts;
}

/** What is known of a file before it is looked at. */
export interface Candidate {
  readonly path: string;
  readonly root: string;
  readonly type: string;
  /** Present for a file whose digest was recorded earlier. */
  readonly recorded?: Recorded;
}

/** What was recorded of a file before this server started. */
export interface Recorded {
  readonly digest: Digest;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /**
   * When it was recorded, in nanoseconds since 1970: the size of a file that was not written to since then is checked, and its
   * bytes are not read. Left out for a file that nobody else can write.
   */
  readonly at?: bigint;
}

/** Why a file cannot be served, as the end of a sentence that begins with its name. */
export interface Refusal {
  readonly refused: string;
}

/** Files are measured in pieces of this size. */
const pieceBytes = 128 * 1024;

/**
 * Two writes within one tick of the file system's clock (4 or 10 ms on Linux before 6.13) carry the same times, so a file is
 * measured only once its last change is at least this old.
 */
const clockTickMs = 20;

/** Looks at a file, reads it if its digest is not yet known, and says what can be promised about it. */
export async function examine(candidate: Candidate, signal: AbortSignal): Promise<ServedFile | Refusal> {
  let handle: FileHandle;
  try {
    // A FIFO or device under a plugin's name must not block the start.
    handle = await open(candidate.path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return { refused: unreadable(error) };
  }
  try {
    return await examineOpen(handle, candidate, signal);
  } catch (error) {
    if (systemCode(error) === undefined || signal.aborted) throw error;
    return { refused: unreadable(error) };
  } finally {
    await handle.close();
  }
}

async function examineOpen(
  handle: FileHandle,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<ServedFile | Refusal> {
  const facts = await settledFacts(handle);
  if (!facts.isFile()) return { refused: 'not a regular file' };
  if (!(await liesInside(candidate, facts))) return { refused: 'a link that leads out of the tree' };
  if (facts.size > BigInt(maxModuleBytes)) {
    return { refused: `larger than the ${formatBytes(maxModuleBytes)} that a gateway loads` };
  }
  const { recorded, ...where } = candidate;
  if (recorded !== undefined) {
    const refused = await differenceFrom(recorded, { handle, facts }, signal);
    if (refused !== undefined) return { refused };
    const { digest, modified } = recorded;
    return { ...where, digest, modified, pinned: true, facts };
  }
  // The facts are those from before the reading: should the file change meanwhile, the next request finds out.
  const digest = await measure(handle, facts, signal);
  return { ...where, digest, modified: Number(facts.mtimeNs / 1_000_000n), pinned: false, facts };
}

async function differenceFrom(
  { digest, at }: Recorded,
  { handle, facts }: { readonly handle: FileHandle; readonly facts: Facts },
  signal: AbortSignal,
): Promise<string | undefined> {
  if (facts.size !== BigInt(digest.size))
    return `${facts.size.toString()} bytes long instead of ${digest.size}`;
  if (at === undefined || facts.mtimeNs <= at) return undefined;
  const found = await measure(handle, facts, signal);
  return found.sha256 === digest.sha256 ? undefined : 'not what the release recorded';
}

async function settledFacts(handle: FileHandle): Promise<BigIntStats> {
  const facts = await handle.stat({ bigint: true });
  if (Date.now() - Number(facts.ctimeNs / 1_000_000n) > clockTickMs) return facts;
  await sleep(clockTickMs);
  return handle.stat({ bigint: true });
}

/** The file that was opened is the one at the end of all links, and that lies inside. Asked of the open file, so no race. */
async function liesInside({ path, root }: Candidate, opened: Facts): Promise<boolean> {
  const [real, realRoot] = await Promise.all([realpath(path), realpath(root)]);
  const { dev, ino } = await stat(real, { bigint: true });
  return real.startsWith(realRoot + sep) && dev === opened.dev && ino === opened.ino;
}

async function measure(handle: FileHandle, { size }: Facts, signal: AbortSignal): Promise<Digest> {
  const meter = new DigestMeter();
  const buffer = Buffer.allocUnsafe(pieceBytes);
  // A file that someone keeps appending to must not keep us here.
  while (meter.size < size) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) break;
    meter.update(buffer.subarray(0, bytesRead));
  }
  return meter.digest();
}

function unreadable(error: unknown): string {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : `unreadable (${code ?? String(error)})`;
}

/** Opens a file and hands it over only if it is still exactly what was examined. The caller closes it. */
export async function openUnchanged(file: ServedFile): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(file.path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  if (await isUnchanged(handle, file).catch(() => false)) return handle;
  await handle.close();
  return undefined;
}

/** Whether the open file is still what was examined. */
export async function isUnchanged(handle: FileHandle, { facts }: ServedFile): Promise<boolean> {
  const now = await handle.stat({ bigint: true });
  return (
    now.ino === facts.ino &&
    now.dev === facts.dev &&
    now.size === facts.size &&
    now.mtimeNs === facts.mtimeNs &&
    now.ctimeNs === facts.ctimeNs
  );
}
