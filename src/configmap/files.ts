import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';
import { committedFile } from '../files/atomic-file.js';
import { sha256Of } from '../stream/digest.js';
import { ioError } from '../files/file-errors.js';
import { isDirectory, readSmallFile } from '../files/open-regular.js';
import { compareText } from '../plugin/plugin.js';
import { formatYaml, parseYaml } from '../schema/yaml.js';
import { isPart, type ConfigMap } from './object.js';
import { configMapOf } from './parse.js';
import { formatConfigMapPlace, type ConfigMapPlace } from './place.js';
import type { ConfigMapStore, StoredShard } from './store.js';

/** A ConfigMap at its limit takes 1.4 MB in base64. */
const maxFileBytes = 4 * 1024 * 1024;
const kustomization = 'kustomization.yaml';

/**
 * ConfigMaps as YAML files in a directory, one each, with a `kustomization.yaml` that lists them: what was written earlier is
 * what the next run goes by, as it would in a cluster.
 *
 * @param directory is there already.
 */
export function fileStore(place: ConfigMapPlace, directory: string): ConfigMapStore {
  const isShard = (file: string): boolean =>
    file.startsWith(`${place.name}-`) && /^[0-9a-f]{16}\.yaml$/.test(file.slice(place.name.length + 1));
  const shardFiles = async (): Promise<string[]> =>
    (await readdir(directory)).filter(isShard).toSorted(compareText);
  const get = (name: string): Promise<ConfigMap | undefined> =>
    readObject(join(directory, `${name}.yaml`), place);
  const list = async (): Promise<void> => {
    const resources = [`${place.name}.yaml`, ...(await shardFiles())];
    const value = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources };
    await write(join(directory, kustomization), [value]);
  };
  return {
    place,
    location: `${formatConfigMapPlace(place)} in ${directory}`,
    get,
    async shards() {
      const shards: StoredShard[] = [];
      for (const file of await shardFiles()) {
        const { mtime } = await stat(join(directory, file));
        shards.push({ name: file.slice(0, -'.yaml'.length), owners: [], createdAt: mtime, uid: '' });
      }
      return shards;
    },
    async apply(object) {
      const { resourceVersion, ...metadata } = object.metadata;
      const written = { ...object, metadata };
      const file = join(directory, `${metadata.name}.yaml`);
      const isIndex = isPart(object, place, 'index');
      if (isIndex) refuseNewer(await get(metadata.name), resourceVersion, file);
      await write(file, [written]);
      if (isIndex) await list();
      return (await get(metadata.name)) ?? written;
    },
    async remove({ name }) {
      await rm(join(directory, `${name}.yaml`), { force: true });
      await list();
    },
  };
}

const write = (file: string, values: readonly unknown[]): Promise<void> =>
  committedFile(file, { force: true }, (handle) => handle.writeFile(formatYaml(values)));

async function readObject(file: string, place: ConfigMapPlace): Promise<ConfigMap | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readSmallFile(file, 'ConfigMap', maxFileBytes);
  } catch (error) {
    if (isPlugferryError(error) && error.code === 'E_NOT_FOUND' && (await isMissing(file))) return undefined;
    throw error;
  }
  const hint = 'Somebody else changed it. Put it back, or choose another directory.';
  const [part] = parseYaml(bytes.toString('utf8'), { file, code: 'E_RELEASE', hint });
  const object = configMapOf(part?.value, file);
  if (object.metadata.namespace !== place.namespace) throw elsewhere(file, object.metadata.namespace, place);
  // What a cluster counts, a file has by its content.
  return { ...object, metadata: { ...object.metadata, resourceVersion: sha256Of(bytes) } };
}

const isMissing = (file: string): Promise<boolean> =>
  stat(file).then(
    () => false,
    (error: unknown) => systemCode(error) === 'ENOENT',
  );

function elsewhere(file: string, found: string, { namespace }: ConfigMapPlace): PlugferryError {
  return new PlugferryError(
    'E_CONFLICT',
    `${file} belongs to namespace ${found || '(none)'}, not to ${namespace}`,
    {
      hint: 'Use a directory for each place.',
      details: { file, expected: namespace, found },
    },
  );
}

function refuseNewer(there: ConfigMap | undefined, expected: string | undefined, file: string): void {
  if (there?.metadata.resourceVersion === expected) return;
  throw new PlugferryError('E_LOCKED', `${file} was changed by another run at the same time`, {
    hint: 'Run the same command again.',
    details: { file },
  });
}

/**
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`.
 */
export async function demandDirectory(directory: string): Promise<void> {
  if (await isDirectory(directory)) return;
  const failure = await stat(directory).then(
    () => undefined,
    (error: unknown) => (systemCode(error) === 'ENOENT' ? undefined : error),
  );
  if (failure !== undefined) throw ioError(failure, directory);
  throw new PlugferryError('E_NOT_FOUND', `${directory} is not a directory`, {
    hint: 'Make it first; or give "-" or a file that ends in .yaml.',
    details: { file: directory, expected: 'directory' },
  });
}
