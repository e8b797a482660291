import { posix, resolve } from 'node:path';
import { systemCode } from '../errors.js';
import { Accounts } from './accounts.js';
import type { FileStatus, FileSystem } from './file-system.js';
import { localFileSystem } from './local-file-system.js';

/** Somebody else could change what is at a path. */
export interface Exposure {
  /** What was looked for, a directory above it, or one that a link on the way leads through. */
  readonly place: string;
  /** In words. */
  readonly found: string;
}

/** Whose word counts, and where. */
export interface Reliance {
  /** Users besides root. `untold`: a server has not said yet who we are there; then modes count alone. */
  readonly users: readonly number[] | 'untold';
  /** What keeps the path. @default the file system of this machine */
  readonly files?: FileSystem | undefined;
  /** Directories that the operator vouches for, whoever owns and may write them. */
  readonly safe?: readonly string[] | undefined;
}

export interface Exposures {
  /** What must not be, from `/` downwards. */
  readonly refused: readonly Exposure[];
  /** What would be refused, had the operator not vouched for it. */
  readonly vouched: readonly Exposure[];
}

/** As many as Linux follows (path_resolution(7)). */
const maxLinks = 40;
const sticky = 0o1000;

/**
 * Who else could change what is at a path: every directory from `/` down to it, also those that links on the way lead through,
 * and the thing itself must be owned by root or one of `users`, and writable for nobody else (sshd's StrictModes). The group
 * may be one that has no other member ({@link Accounts}). A directory that others may write is fine where it is sticky and the
 * directory, or link to one, that is used of it is owned by root or one of `users`, as with /tmp: nobody else can rename or
 * remove that. Where files are looked for, others must not be able to put any. On a read-only mount modes mean nothing (the
 * directory of a ConfigMap has mode 0777), so there nothing is found. What is not there exposes nothing.
 *
 * @throws the system's error where the path cannot be looked at, and `ELOOP`.
 */
export async function exposuresOf(path: string, reliance: Reliance): Promise<Exposures> {
  const { files = localFileSystem } = reliance;
  const refused: Exposure[] = [];
  const vouched: Exposure[] = [];
  if (files === localFileSystem && process.geteuid === undefined) return { refused, vouched };
  const judge = new Judge(files, reliance.users);
  const safe = await resolved(files, reliance.safe ?? []);
  for await (const step of stepsTo(files, path)) {
    const found = await judge.trouble(step);
    if (found === undefined || (await files.isReadOnly(step.place))) continue;
    (safe.has(step.place) ? vouched : refused).push({ place: step.place, found });
  }
  return { refused, vouched };
}

/**
 * The first of {@link exposuresOf} that must not be, on this machine.
 *
 * @param uid undefined where the system has no user ids.
 * @param users who counts besides `uid`.
 * @throws the system's error when there is nothing at `path`.
 */
export async function exposureOf(
  path: string,
  uid: number | undefined,
  { users = [] }: { readonly users?: readonly number[] } = {},
): Promise<Exposure | undefined> {
  if (uid === undefined) return undefined;
  await localFileSystem.lstat(path);
  return (await exposuresOf(path, { users: [uid, ...users] })).refused[0];
}

/** The first directory on the way to a path, or at it, that a user who is neither its owner nor in its group cannot enter. */
export async function closedDirectory(files: FileSystem, path: string): Promise<Exposure | undefined> {
  for await (const { place, status } of stepsTo(files, path))
    if (status.isDirectory() && (status.mode & 0o001) === 0)
      return { place, found: `mode ${octal(status.mode)}` };
  return undefined;
}

/** Whether others than root and `users` may write something, or own it; undefined when not. */
export class Judge {
  readonly #users: Reliance['users'];
  readonly #accounts: Accounts;

  constructor(files: FileSystem, users: Reliance['users']) {
    this.#users = users;
    this.#accounts = new Accounts(files);
  }

  /** In words, for a step on the way to a path. */
  async trouble({ status, used, leadsOn }: Step): Promise<string | undefined> {
    // A file in the way leads nowhere, whoever may write it.
    if (used !== undefined && !status.isDirectory()) return undefined;
    const owner = this.foreignOwner(status);
    if (owner !== undefined) return owner;
    const others = await this.writers(status);
    if (others === undefined || used === undefined || (status.mode & sticky) === 0) return others;
    if (used === 'nothing') return undefined;
    return leadsOn === true && this.foreignOwner(used) === undefined ? undefined : others;
  }

  foreignOwner({ uid }: FileStatus): string | undefined {
    // Servers need not tell, whatever the type says.
    if (this.#users === 'untold' || (uid as number | undefined) === undefined) return undefined;
    if (uid === 0 || this.#users.includes(uid)) return undefined;
    const expected = this.#users.filter((user) => user !== 0).map((user) => ` or user ${user}`);
    return `user ${uid} owns it, expected root${expected.join('')}`;
  }

  async writers(status: FileStatus): Promise<string | undefined> {
    const { mode } = status;
    if ((mode & 0o022) === 0 || ((mode & 0o002) === 0 && (await this.isOurGroup(status)))) return undefined;
    return `mode ${octal(mode)} lets others write it`;
  }

  /** Whether nobody but root and one of `users` is in the group. */
  async isOurGroup({ gid, uid }: FileStatus): Promise<boolean> {
    const member = await this.#accounts.onlyMember(gid);
    return member !== undefined && (this.#users === 'untold' ? [uid] : this.#users).includes(member);
  }
}

const octal = (mode: number): string => (mode & 0o7777).toString(8);

interface Step {
  /** Absolute, without links. */
  readonly place: string;
  readonly status: FileStatus;
  /** For a directory on the way: what is used of it, `nothing` when that is not there. */
  readonly used?: FileStatus | 'nothing' | undefined;
  /** Whether that is a directory, or a link to one. */
  readonly leadsOn?: boolean;
}

/** Every directory that is passed on the way to a path, links followed, and what is there at the end, if anything. */
async function* stepsTo(files: FileSystem, path: string): AsyncGenerator<Step> {
  const ahead = segments(files === localFileSystem ? resolve(path) : path);
  let place = '/';
  let status = await files.lstat(place);
  for (let links = 0, name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === '..') {
      place = posix.dirname(place);
      status = await files.lstat(place);
      continue;
    }
    const next = posix.join(place, name);
    const used = await there(files, next);
    if (used === undefined) {
      yield { place, status, used: 'nothing' };
      return;
    }
    const leadsOn = ahead.length > 0 || used.isDirectory() || (await isDirectory(files, next));
    yield { place, status, used, leadsOn };
    if (!used.isSymbolicLink()) [place, status] = [next, used];
    else if (++links > maxLinks) throw tooManyLinks(path);
    else {
      const target = await files.readlink(next);
      ahead.unshift(...segments(target));
      if (target.startsWith('/')) [place, status] = ['/', await files.lstat('/')];
    }
  }
  yield { place, status };
}

const segments = (path: string): string[] =>
  path.split('/').filter((segment) => segment !== '' && segment !== '.');

const tooManyLinks = (path: string): Error =>
  Object.assign(new Error(`ELOOP: too many symbolic links, '${path}'`), { code: 'ELOOP', errno: -40, path });

async function there(files: FileSystem, path: string): Promise<FileStatus | undefined> {
  try {
    return await files.lstat(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** Links followed; what leads nowhere is none. */
async function isDirectory(files: FileSystem, path: string): Promise<boolean> {
  const real = await files.realpath(path).catch(() => undefined);
  return real !== undefined && (await files.lstat(real)).isDirectory();
}

/** As the walk names directories. One that is not there vouches for nothing. */
async function resolved(files: FileSystem, paths: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const path of paths)
    await files.realpath(path).then(
      (real) => found.add(real),
      () => undefined,
    );
  return found;
}
