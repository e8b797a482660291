import { join } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import type { FileSystem } from '../files/file-system.js';
import { localFileSystem } from '../files/local-file-system.js';
import { exists } from './disk.js';

/** What the file system of a volume can do. What a volume cannot do without is not here: its lack is an error. */
export interface Features {
  /** Without hard links every release holds copies. */
  readonly hardLinks: boolean;
  readonly caseSensitive: boolean;
  /** Without it a power cut, though not a crash, may lose the last change. */
  readonly directorySync: boolean;
}

const unsupported = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'EXDEV']);

/**
 * Tries in a scratch directory what a volume needs: a few system calls, done at every change, because a mount can change.
 *
 * @throws PlugferryError `E_FILESYSTEM` when a release could not be switched in one step.
 */
export async function probeFileSystem(
  root: string,
  scratch: string,
  files: FileSystem = localFileSystem,
): Promise<Features> {
  await files.mkdir(scratch);
  const file = join(scratch, 'file');
  await files.writeNew(file, []);
  await requireExclusive(files, root, file);
  await requireSwitch(files, root, scratch);
  return {
    hardLinks: await supports(files.link(file, join(scratch, 'hard'))),
    caseSensitive: !(await exists(files, join(scratch, 'FILE'))),
    directorySync: await files.syncDirectory(scratch),
  };
}

async function requireExclusive(files: FileSystem, root: string, file: string): Promise<void> {
  try {
    await files.writeNew(file, []);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    throw error;
  }
  throw refused(root, 'it creates a file that exists already');
}

async function requireSwitch(files: FileSystem, root: string, scratch: string): Promise<void> {
  const [current, next] = [join(scratch, 'current'), join(scratch, 'next')];
  if (!(await supports(files.symlink('old', current)))) throw refused(root, 'it has no symbolic links');
  await files.symlink('new', next);
  if (!(await supports(files.rename(next, current))) || (await files.readlink(current)) !== 'new') {
    throw refused(root, 'it cannot replace a symbolic link in one step');
  }
  if (!(await files.lstat(current)).isSymbolicLink())
    throw refused(root, 'it follows a link that it should replace');
  await files.unlink(current);
}

async function supports(attempt: Promise<unknown>): Promise<boolean> {
  try {
    await attempt;
    return true;
  } catch (error) {
    if (unsupported.has(systemCode(error) ?? '')) return false;
    throw error;
  }
}

function refused(root: string, reason: string): PlugferryError {
  return new PlugferryError('E_FILESYSTEM', `${root}: this file system cannot hold a volume: ${reason}`, {
    hint:
      'USB sticks (FAT, exFAT) and some network shares carry bundles but cannot hold a volume. Import into a directory ' +
      'on a local Linux file system, NFS or a Kubernetes volume.',
    details: { file: root, found: reason },
  });
}
