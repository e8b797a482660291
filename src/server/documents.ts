import { pluginPath, type PluginFileName } from '../plugin/layout.js';
import { compareText } from '../plugin/plugin.js';
import type { IndexDocument } from '../schema/index.js';
import { etagOf } from './answer.js';
import { page, type Page } from './page.js';
import type { ServedFile } from './served-file.js';
import type { ServedPlugin, Tree } from './tree.js';

const jsonPage = (make: () => unknown): Page =>
  page('application/json', () => `${JSON.stringify(make(), null, 2)}\n`);

/** `/plugins/index.json`: what is served here, for programs. Described by schemas/index.schema.json. */
export const indexDocument = ({ release, plugins }: Tree): Page =>
  jsonPage((): IndexDocument => ({
    type: 'plugferry.index/v1',
    ...(release !== undefined && { release }),
    plugins: plugins.map((plugin) => ({
      ...plugin.id,
      files: [...plugin.files].map(([name, file]) => fileRow(plugin, { name, file })),
    })),
  }));

function fileRow({ id }: ServedPlugin, { name, file }: { name: PluginFileName; file: ServedFile }) {
  const { size, sha256, md5 } = file.digest;
  return { name, path: `/${pluginPath(id, name)}`, size, sha256, md5, etag: etagOf(sha256) };
}

/**
 * `/plugins/snapshot-inventory.json` as newer official plugin servers have it: one row a plugin, keyed by name. Their
 * `digest` is that of the OCI manifest, which a served directory does not know, so it is not stated. The shape has room for
 * one version, so of several it names the highest; index.json has them all.
 */
export const inventoryDocument = (plugins: readonly ServedPlugin[]): Page =>
  jsonPage(() => {
    const rows = new Map<string, { version: string; wasmSha256: string }>();
    for (const { id, files } of plugins) {
      const wasm = files.get('plugin.wasm');
      const row = rows.get(id.name);
      if (wasm === undefined || (row !== undefined && !isHigher(id.version, row.version))) continue;
      rows.set(id.name, { version: id.version, wasmSha256: wasm.digest.sha256 });
    }
    return Object.fromEntries(rows);
  });

/** Numbers compare as numbers, and `2.0.0` is higher than a tag such as `latest`. */
function isHigher(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => ({ text, numbered: /^\d/.test(text) }));
  if (a === undefined || b === undefined || a.numbered !== b.numbered) return a?.numbered === true;
  return (numeric.compare(a.text, b.text) || compareText(a.text, b.text)) > 0;
}

const numeric = new Intl.Collator('en', { numeric: true });
