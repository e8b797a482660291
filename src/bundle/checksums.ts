import type { ManifestFile } from '../schema/manifest.js';

type Listed = Pick<ManifestFile, 'path' | 'md5' | 'sha256'>;

/**
 * The text that `md5sum -c` or `sha256sum -c` reads, over the files that follow. Paths need no escaping: the rules for
 * names and versions leave no character that coreutils would escape.
 */
export const checksumText = (files: readonly Listed[], algorithm: 'md5' | 'sha256'): string =>
  files.map((file) => `${file[algorithm]}  ${file.path}\n`).join('');
