import { isPlugferryError, PlugferryError } from '../errors.js';
import type { FileSystem } from '../files/file-system.js';
import { isRemote } from './location.js';
import type { RemoteAccess } from '../transport/transport.js';
import { openSftpDirectory } from '../transport/sftp/file-system.js';
import type { VolumeOptions } from '../volume/volume.js';

/** How to get at a volume that need not be on this machine. */
export interface ReachVolume {
  /** How servers are reached. */
  readonly access?: RemoteAccess | undefined;
  readonly signal?: AbortSignal | undefined;
  /** As in {@link VolumeOptions}. */
  readonly safeDirectories?: VolumeOptions['safeDirectories'];
}

/** Where a volume is, as the verbs of `volume/` take it. */
export interface VolumePlace {
  readonly root: string;
  /** Undefined: this machine. */
  readonly files: FileSystem | undefined;
}

/**
 * Runs `use` on a volume that is a directory of this machine, or one of a server: `sftp://USER@HOST/PATH`. There its errors name
 * the server.
 *
 * @throws PlugferryError `E_USAGE` for any other place, as {@link openSftpDirectory}, and what `use` throws.
 */
export async function atVolume<T>(
  location: string,
  { access, signal }: ReachVolume,
  use: (place: VolumePlace) => Promise<T>,
): Promise<T> {
  if (!isRemote(location)) return use({ root: location, files: undefined });
  if (!/^sftp:/i.test(location)) throw nowhere(location);
  const server = await openSftpDirectory(location, access?.ssh ?? {}, signal);
  const { files, root, name } = server;
  try {
    return await use({ root, files });
  } catch (error) {
    throw onServer(error, root, name);
  } finally {
    await server.close();
  }
}

/** An error about a path below `root` as one about a path of the server. */
function onServer(error: unknown, root: string, name: string): unknown {
  if (!isPlugferryError(error)) return error;
  const { code, message, hint, details } = error;
  const about = details['volume'] ?? details.file;
  if (typeof about !== 'string' || (about !== root && !about.startsWith(`${root}/`))) return error;
  const named = (text: string): string =>
    text.split(root).reduce((before, after) => before + (standsAlone(before, after) ? name : root) + after);
  return new PlugferryError(code, named(message), {
    ...(hint === undefined ? {} : { hint: named(hint) }),
    details: { ...details, ...(details.file === undefined ? {} : { file: named(details.file) }) },
    cause: error,
  });
}

/** Whether a path that was found between two texts is not just the beginning, end or middle of another one. */
const standsAlone = (before: string, after: string): boolean =>
  !/[\w.~/-]$/.test(before) && !/^[\w.~-]/.test(after);

const nowhere = (location: string): PlugferryError => {
  const scheme = /^[a-z0-9+.-]*/i.exec(location)?.[0] ?? '';
  return new PlugferryError('E_USAGE', `a volume cannot be reached over ${scheme}`, {
    hint: 'Give its directory, or sftp://USER@HOST/PATH; or run the command where the volume is.',
    details: { found: scheme, expected: 'sftp' },
  });
};
