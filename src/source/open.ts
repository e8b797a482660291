import { tmpdir } from 'node:os';
import { isRegularFile } from '../files/open-regular.js';
import { isHttpLocation, withoutCredentials } from '../http/address.js';
import { isLayout } from '../registry/stored.js';
import { directorySource } from './directory.js';
import { flatSource, holdsFiles } from './flat.js';
import { isModuleUrl, moduleUrlSource } from './module-url.js';
import { isModuleName } from './modules.js';
import { ociSource, storedSource } from './oci.js';
import { pluginServerSource } from './plugin-server.js';
import { isPluginTree } from './plugins-directory.js';
import type { Source } from './source.js';
import type { HttpAccess } from '../http/agents.js';
import type { RegistryAccess } from '../registry/login.js';
import { PlugferryError } from '../errors.js';
import { artifactZipSource } from './artifact-zip.js';
import { fileKind } from './file-kind.js';
import { moduleFileSource } from './module-file.js';

/**
 * The source behind a location that the user gave.
 *
 * @throws PlugferryError `E_USAGE` for a kind of location that is not known, or what opening it throws.
 */
export async function sourceFor(
  location: string,
  { scratch = tmpdir(), http, registries }: SourceOptions = {},
): Promise<Source> {
  if (isHttpLocation(location)) {
    return isModuleUrl(location)
      ? moduleUrlSource(location, { scratch, access: http })
      : pluginServerSource(location, { scratch, access: http });
  }
  if (/^oci:\/\//i.test(location)) return ociSource(location, scratch, { ...registries, http });
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) throw unknownKind(location);
  if (await isRegularFile(location)) return fileSource(location, scratch);
  if (await isLayout(location)) return storedSource(location, scratch);
  const isFlat = !(await isPluginTree(location)) && (await holdsFiles(location, isModuleName));
  return isFlat ? flatSource(location) : directorySource(location);
}

export interface SourceOptions {
  /** Directory in which local copies of what is fetched may lie until the source is closed. @default the system's */
  readonly scratch?: string | undefined;
  /** How http(s) servers are reached. */
  readonly http?: HttpAccess | undefined;
  /** How registries are reached. */
  readonly registries?: RegistryAccess | undefined;
}

async function fileSource(path: string, scratch: string): Promise<Source> {
  const kind = await fileKind(path);
  if (kind === 'module') return moduleFileSource(path);
  if (kind === 'zip') return artifactZipSource(path, scratch);
  if (kind === 'tar') return storedSource(path, scratch);
  throw new PlugferryError('E_SOURCE', `${path} is not a file that plugins can be taken from`, {
    hint: 'Expected is a module (.wasm) or a zip that holds modules. Texts that name plugins are for export.',
    details: { file: path, expected: 'module or zip' },
  });
}

function unknownKind(location: string): PlugferryError {
  const found = withoutCredentials(location);
  return new PlugferryError('E_USAGE', `"${found}" is not a kind of source that can be read`, {
    hint: 'Give a directory that holds plugins/<name>/<version>/plugin.wasm, or the http(s) URL of a plugin server.',
    details: { found, expected: 'directory or http(s) URL' },
  });
}
