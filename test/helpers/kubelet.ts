import { mkdir, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigMap } from '../../src/configmap/object.js';
import { parseYaml } from '../../src/schema/yaml.js';

let writes = 0;

/** All keys of some ConfigMaps as the files of one projected volume. */
export function payloadOf(objects: readonly ConfigMap[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const { data = {}, binaryData = {} } of objects) {
    for (const [key, text] of Object.entries(data)) files.set(key, Buffer.from(text));
    for (const [key, text] of Object.entries(binaryData)) files.set(key, Buffer.from(text, 'base64'));
  }
  return files;
}

/** The ConfigMaps of a YAML text that `import --yaml` wrote. */
export const objectsIn = (yaml: string): ConfigMap[] =>
  parseYaml(yaml, { file: 'yaml', code: 'E_USAGE', hint: '' }).map(({ value }) => value as ConfigMap);

/** Writes a volume as kubelet does (Kubernetes `pkg/volume/util/atomic_writer.go`, `Write`), step by step. */
export async function project(target: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  await mkdir(target, { recursive: true });
  const old = await readlink(join(target, '..data')).catch(() => undefined);
  writes += 1;
  const dated = `..2026_11_26_00_00_00.${String(writes).padStart(9, '0')}`;
  await mkdir(join(target, dated));
  for (const [name, bytes] of files) await writeFile(join(target, dated, name), bytes, { mode: 0o644 });
  await symlink(dated, join(target, '..data_tmp'));
  await rename(join(target, '..data_tmp'), join(target, '..data'));
  const visible = new Set(await readdir(target));
  for (const name of files.keys())
    if (!visible.has(name)) await symlink(join('..data', name), join(target, name));
  for (const name of visible) if (!name.startsWith('..') && !files.has(name)) await rm(join(target, name));
  if (old !== undefined) await rm(join(target, old), { recursive: true });
}
