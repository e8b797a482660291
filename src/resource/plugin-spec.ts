import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PlugferryError } from '../errors.js';
import { ioError } from '../files/file-errors.js';
import { isRegularFile, readSmallFile } from '../files/open-regular.js';
import { isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';
import { parseYaml } from '../schema/yaml.js';

/** What the Console knows of a plugin that it offers; these two go into its URL pattern. */
export interface PluginSpec extends PluginId {
  readonly file: string;
}

const maxSpecBytes = 1024 * 1024;

/**
 * The specs from which the Console makes plugin URLs: `<plugin>/spec.yaml` below a directory, as in the sources of the
 * Console and of each plugin (`backend/sdk/src/main/resources/plugins`), or the one `spec.yaml` of a plugin's own directory.
 *
 * @throws PlugferryError `E_NOT_FOUND` when there is none, `E_SOURCE` for one without name and version, `E_IO`, `E_LIMIT`.
 */
export async function readConsoleSpecs(directory: string): Promise<PluginSpec[]> {
  const names = await namesIn(directory);
  const files = [
    join(directory, 'spec.yaml'),
    ...names.sort().map((name) => join(directory, name, 'spec.yaml')),
  ];
  const specs: PluginSpec[] = [];
  for (const file of files) if (await isRegularFile(file)) specs.push(await readSpec(file));
  if (specs.length > 0) return specs;
  throw new PlugferryError('E_NOT_FOUND', `${directory} holds no spec.yaml`, {
    hint: 'Give the directory in which each plugin has one of its own: <directory>/<plugin>/spec.yaml.',
    details: { file: directory, expected: '*/spec.yaml' },
  });
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    throw ioError(error, directory);
  }
}

async function readSpec(file: string): Promise<PluginSpec> {
  const hint = 'Expected is the spec.yaml of a Higress plugin, with info.name and info.version.';
  const text = (await readSmallFile(file, 'plugin spec', maxSpecBytes)).toString('utf8');
  const [part] = parseYaml(text, { file, code: 'E_SOURCE', hint });
  const info = (part?.value as { readonly info?: unknown } | null | undefined)?.info;
  const { name, version } = (info ?? {}) as { readonly name?: unknown; readonly version?: unknown };
  if (
    typeof name === 'string' &&
    typeof version === 'string' &&
    isPluginName(name) &&
    isPluginVersion(version)
  )
    return { name, version, file };
  throw new PlugferryError('E_SOURCE', `${file} names no plugin and version`, {
    hint,
    details: {
      file,
      expected: 'info.name and info.version as text',
      found: JSON.stringify({ name, version }),
    },
  });
}
