import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { tinyModule } from './wasm.js';

const packages = createRequire(import.meta.url);

/** Genuine compiled modules of 0.7 to 16 MB, from development dependencies. */
export const realModules = {
  'sql-js': packages.resolve('sql.js/dist/sql-wasm.wasm'),
  resvg: packages.resolve('@resvg/resvg-wasm/index_bg.wasm'),
  esbuild: packages.resolve('esbuild-wasm/esbuild.wasm'),
  lightningcss: join(import.meta.dirname, '../../node_modules/lightningcss-wasm/lightningcss_node.wasm'),
} as const;

/** Copies real modules into a plugin-server tree; one of them stands under two versions, as older trees have it. */
export async function realTree(directory: string): Promise<string> {
  const root = join(directory, 'plugins');
  for (const [name, file] of Object.entries(realModules)) {
    const versions = name === 'resvg' ? ['1.0.0', '2.0.0'] : ['1.0.0'];
    for (const version of versions) {
      await mkdir(join(root, name, version), { recursive: true });
      await copyFile(file, join(root, name, version, 'plugin.wasm'));
    }
  }
  return root;
}

/** A small plugin-server tree: `name@version` to the seed of its module. */
export async function tinyTree(
  directory: string,
  plugins: Readonly<Record<string, string>>,
): Promise<string> {
  const root = join(directory, 'plugins');
  for (const [id, seed] of Object.entries(plugins)) {
    const path = join(root, ...id.split('@'));
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'plugin.wasm'), tinyModule(seed, 2000));
  }
  return root;
}
