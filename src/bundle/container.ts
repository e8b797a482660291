import { PlugferryError } from '../errors.js';
import { packTarGz, packZip, type Pack } from './write-archive.js';

/** A kind of file that holds a bundle. */
export interface Container {
  readonly pack: Pack;
  /** Whether bytes that stand under several paths are stored, and asked for, once or under each of them. */
  readonly stores: 'once' | 'each';
}

const tarGz: Container = { pack: packTarGz, stores: 'once' };
const zip: Container = { pack: packZip, stores: 'each' };

const endings: readonly (readonly [ending: string, container: Container])[] = [
  ['.tar.gz', tarGz],
  ['.tgz', tarGz],
  ['.zip', zip],
];

/**
 * The container that a file of this name is to be.
 *
 * @throws PlugferryError `E_USAGE` for a name that does not tell.
 */
export function containerFor(path: string): Container {
  const found = endings.find(([ending]) => path.toLowerCase().endsWith(ending));
  if (found !== undefined) return found[1];
  throw new PlugferryError('E_USAGE', `"${path}" does not say what kind of bundle to write`, {
    hint: 'Let the name end in .tar.gz (equal modules are stored once) or in .zip.',
    details: { found: path, expected: '.tar.gz or .zip' },
  });
}
