import type { FileHandle } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { exposureOf, Judge } from './writable-by-others.js';
import { openRegular, readBounded, type FileRole } from './open-regular.js';
import type { FileStatus } from './file-system.js';
import { localFileSystem } from './local-file-system.js';

/**
 * The bytes of a small file that holds a secret: a private key, a passphrase, a token. As ssh does it, one that others may read
 * or write is refused: modes of at most 0600, where it is ours. What root has laid down for a service may be readable for its
 * group. Root reads what belongs to others, as under sudo. On a read-only mount modes mean nothing (Secrets of Kubernetes and of
 * Docker are 0644 or 0444, and only their container has them).
 *
 * @throws PlugferryError `E_EXPOSED`, and as {@link readSmallFile}.
 */
export const readSecretFile = (path: string, role: FileRole, limit: number): Promise<Buffer> =>
  readGuarded(path, role, { limit, isSecret: true });

/**
 * The bytes of a small file that others may read, but not write, as ssh asks of its configuration. Only the file is looked at.
 *
 * @throws PlugferryError `E_EXPOSED`, and as {@link readSmallFile}.
 */
export const readUnwritableFile = (path: string, role: FileRole, limit: number): Promise<Buffer> =>
  readGuarded(path, role, { limit, isSecret: false });

async function readGuarded(
  path: string,
  role: FileRole,
  { limit, isSecret }: { readonly limit: number; readonly isSecret: boolean },
): Promise<Buffer> {
  const handle = await openRegular(path, role);
  try {
    const found = await troubleWith(handle, { path, isSecret });
    const mend = isSecret ? `chmod 600 "${path}"` : `chmod go-w "${path}"`;
    if (found !== undefined) throw exposed({ path, role, found, mend });
    return await readBounded(handle, { path, role, limit });
  } finally {
    await handle.close();
  }
}

async function troubleWith(
  handle: FileHandle,
  { path, isSecret }: { readonly path: string; readonly isSecret: boolean },
): Promise<string | undefined> {
  const self = process.geteuid?.();
  if (self === undefined) return undefined;
  const status: FileStatus = await handle.stat();
  const judge = new Judge(localFileSystem, [self]);
  const { mode, uid } = status;
  const octal = (mode & 0o7777).toString(8);
  const isForGroup = uid === 0 && self !== 0;
  const isPrivateGroup = (mode & 0o060) !== 0 && (await judge.isOurGroup(status));
  const found =
    (self === 0 ? undefined : judge.foreignOwner(status)) ??
    (await judge.writers(status)) ??
    (isSecret && (mode & 0o004) !== 0 ? `mode ${octal} lets others read it` : undefined) ??
    (isSecret && (mode & 0o040) !== 0 && !isForGroup && !isPrivateGroup
      ? `mode ${octal} lets its group read it`
      : undefined);
  return found === undefined || (await localFileSystem.isReadOnly(path)) ? undefined : found;
}

/**
 * The bytes of a small file that says whom to believe, such as a public key: everybody may read it, but it is refused where
 * others could change it, as {@link exposureOf} finds that.
 *
 * @param users who counts besides root and this process, as whoever called sudo.
 * @throws PlugferryError `E_EXPOSED`, and as {@link readSmallFile}.
 */
export async function readTrustedFile(
  path: string,
  role: FileRole,
  { limit, users = [] }: { readonly limit: number; readonly users?: readonly number[] },
): Promise<Buffer> {
  const handle = await openRegular(path, role);
  try {
    const exposure = await exposureOf(path, process.geteuid?.(), { users });
    if (exposure !== undefined) {
      const { place, found } = exposure;
      const mend = found.startsWith('user ')
        ? `chown ${process.geteuid?.() ?? 'root'} "${place}"`
        : `chmod go-w "${place}"`;
      throw exposed({ path: place, role, found, mend });
    }
    return await readBounded(handle, { path, role, limit });
  } finally {
    await handle.close();
  }
}

interface Refusal {
  readonly path: string;
  readonly role: FileRole;
  readonly found: string;
  readonly mend: string;
}

const exposed = ({ path, role, found, mend }: Refusal): PlugferryError =>
  new PlugferryError('E_EXPOSED', `${role} ${path}: ${found}`, {
    hint:
      `Run: ${mend}. Where that has no effect (FAT, /mnt/c of WSL), or the directory must stay as it is, copy the file to a ` +
      'directory of your own.',
    details: { file: path, found },
  });
