import { dirname, resolve } from 'node:path';
import { isPlugferryError, type PlugferryError } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import { readSecretFile, readUnwritableFile } from '../files/key-file.js';
import { isMapping, parseYaml } from '../schema/yaml.js';
import { fieldsAt, isFields, kubeconfigError, listAt, textAt, type Fields } from './fields.js';

/** Bytes of a kubeconfig: client-go reads any size, but a file of certificates for hundreds of clusters is below this. */
const maxKubeconfigBytes = 4 * 1024 * 1024;

/** An entry of a kubeconfig, and the file that it stands in: relative paths count from there. */
export interface Entry {
  readonly fields: Fields;
  readonly file: string;
}

/** What a context of a kubeconfig names. */
export interface Context {
  readonly name: string;
  readonly cluster: Entry;
  /** Nobody, where the context names no user. */
  readonly user: Entry;
}

/**
 * Reads kubeconfig files as kubectl does: of several, the first that says something counts, and files that are missing count
 * for nothing as long as one is there.
 *
 * @param context name of the context. @default the current one
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_IO`, `E_LIMIT`.
 */
export async function readContext(paths: readonly string[], context: string | undefined): Promise<Context> {
  const files = await readAll(paths);
  const [first] = files;
  const shown = files.map(({ file }) => file).join(', ');
  const current = files
    .map(({ fields }) => textAt(fields, 'current-context'))
    .find((name) => name !== undefined);
  const name = context ?? current;
  if (first === undefined || name === undefined) {
    const known = names(files, 'contexts');
    throw kubeconfigError(shown, 'no context is current', `Name one with --context; there are ${known}.`);
  }
  const chosen = find(files, 'contexts', name);
  if (chosen === undefined) {
    const known = names(files, 'contexts');
    throw kubeconfigError(shown, `there is no context "${name}"`, `Name one of them: ${known}.`);
  }
  const context_ = fieldsAt(chosen.fields, 'context');
  const [clusterName, userName] = [textAt(context_, 'cluster'), textAt(context_, 'user')];
  const cluster = clusterName === undefined ? undefined : find(files, 'clusters', clusterName);
  const user = userName === undefined ? { fields: {}, file: first.file } : find(files, 'users', userName);
  if (cluster === undefined || user === undefined) {
    const missing = cluster === undefined ? `cluster "${clusterName ?? ''}"` : `user "${userName ?? ''}"`;
    throw kubeconfigError(
      shown,
      `context "${name}" names ${missing}, which is not there`,
      'Have the file mended.',
    );
  }
  return {
    name,
    cluster: { ...cluster, fields: fieldsAt(cluster.fields, 'cluster') },
    user: { ...user, fields: fieldsAt(user.fields, 'user') },
  };
}

async function readAll(paths: readonly string[]): Promise<Entry[]> {
  const read: Entry[] = [];
  let missing: PlugferryError | undefined;
  for (const path of paths) {
    try {
      read.push(await readOne(path));
    } catch (error) {
      if (!isPlugferryError(error) || error.code !== 'E_NOT_FOUND') throw error;
      missing ??= error;
    }
  }
  if (read.length === 0 && missing !== undefined) throw missing;
  return read;
}

async function readOne(file: string): Promise<Entry> {
  const bytes = await readUnwritableFile(file, 'kubeconfig', maxKubeconfigBytes);
  const hint = 'Check that this is a kubeconfig file; "kubectl config view" shows what kubectl makes of it.';
  const [part, other] = parseYaml(bytes.toString('utf8'), { file, code: 'E_USAGE', hint });
  if (part === undefined) return { fields: {}, file };
  const kind = isFields(part.value) ? textAt(part.value, 'kind') : undefined;
  if (other !== undefined || !isMapping(part) || !isFields(part.value) || (kind ?? 'Config') !== 'Config')
    throw kubeconfigError(file, 'not a kubeconfig', hint);
  return { fields: part.value, file };
}

function find(files: readonly Entry[], list: string, name: string): Entry | undefined {
  for (const { fields, file } of files) {
    const entry = listAt(fields, list).find((each) => textAt(each, 'name') === name);
    if (entry !== undefined) return { fields: entry, file };
  }
  return undefined;
}

const names = (files: readonly Entry[], list: string): string =>
  files
    .flatMap(({ fields }) => listAt(fields, list))
    .map((entry) => textAt(entry, 'name') ?? '')
    .join(', ') || 'none';

const maxPemBytes = 1024 * 1024;

/**
 * The PEM text of a field that may stand in the file itself (`<name>-data`, base64) or lie beside it.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`, `E_LIMIT`, `E_USAGE`.
 */
export async function pemAt({ fields, file }: Entry, name: string): Promise<string | undefined> {
  const data = textAt(fields, `${name}-data`);
  const path = textAt(fields, name);
  if (data === undefined && path === undefined) return undefined;
  const pem =
    data === undefined
      ? (
          await (name === 'client-key' ? readSecretFile : readSmallFile)(
            resolve(dirname(file), path ?? ''),
            name.replaceAll('-', ' '),
            maxPemBytes,
          )
        ).toString('utf8')
      : Buffer.from(data, 'base64').toString('utf8');
  if (pem.includes('-----BEGIN ')) return pem;
  throw kubeconfigError(
    file,
    `${data === undefined ? name : `${name}-data`} is not PEM`,
    'Have the file mended.',
  );
}
