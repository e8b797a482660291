import { isTarLayer, type Artifact, type Layer } from '../registry/artifact.js';
import { readTarLayer, type LayerEntry } from '../registry/tar-layer.js';
import { readSmallFile } from '../io/file.js';
import type { PrivateDirectory } from '../io/private-directory.js';
import { escapeText } from '../io/text.js';
import { parsePluginPath, pluginPath, type PluginFileName } from '../plugin/layout.js';
import { maxMetadataBytes, parseMetadata } from '../plugin/metadata.js';
import { formatPluginId, maxModuleBytes, type PluginId } from '../plugin/plugin.js';
import type { Offer } from './source.js';

/** Where the official image of plugin-server has its plugins (its `Dockerfile`). */
const served = 'usr/share/nginx/html/';

/** A plugin as it lies in an image. */
interface ImagePlugin {
  readonly id: PluginId;
  readonly files: Map<PluginFileName, string>;
}

/** Whether an artifact may be the image of a plugin server: those of plugins have one layer with files. */
export const mayBeImage = ({ layers }: Artifact): boolean => layers.filter(isTarLayer).length > 1;

/**
 * The plugins of a plugin-server image; none where it is no such image. Layers lie upon each other as containers see them, with
 * what later ones take away (OCI image specification 1.1, "Whiteouts").
 *
 * @throws PlugferryError `E_SOURCE`, `E_LIMIT`, and what fetching a layer throws.
 */
export async function imagePlugins(
  { layers, digest }: Artifact,
  {
    reference,
    copies,
    signal,
  }: {
    readonly reference: string;
    readonly copies: PrivateDirectory;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Offer[]> {
  const plugins = new Map<string, ImagePlugin>();
  for (const layer of layers.filter(isTarLayer)) await lay(layer, plugins, { copies, signal });
  return [...plugins.values()].flatMap(({ id, files }): Offer[] => {
    const wasm = files.get('plugin.wasm');
    if (wasm === undefined) return [];
    const provenance = {
      kind: 'image',
      reference: escapeText(reference),
      ...(digest === undefined ? {} : { digest }),
    };
    return [
      {
        ...id,
        fetch: async () => ({
          ...id,
          wasm,
          metadata: await metadataOf(id, files.get('metadata.txt')),
          provenance,
        }),
      },
    ];
  });
}

interface Laying {
  readonly copies: PrivateDirectory;
  readonly signal: AbortSignal | undefined;
}

/** What a layer takes away is of the layers below it, wherever in the archive it says so. */
async function lay(
  layer: Layer,
  plugins: Map<string, ImagePlugin>,
  { copies, signal }: Laying,
): Promise<void> {
  const gone: string[] = [];
  const files = await readTarLayer(await layer.fetch(signal), {
    label: layer.label,
    copies,
    limit: maxModuleBytes,
    signal,
    want: (entry) => {
      const removed = whiteout(entry);
      if (removed !== undefined) gone.push(removed);
      return pluginFile(entry.name) !== undefined && entry.type !== 'other';
    },
  });
  for (const path of gone) remove(path, plugins);
  for (const file of files) {
    const found = pluginFile(file.name);
    if (found === undefined) continue;
    const key = formatPluginId(found.id);
    const plugin = plugins.get(key) ?? { id: found.id, files: new Map() };
    plugins.set(key, plugin);
    plugin.files.set(found.file, file.path);
  }
}

const pluginFile = (name: string): ReturnType<typeof parsePluginPath> =>
  name.startsWith(served) ? parsePluginPath(name.slice(served.length)) : undefined;

/** The path that an entry takes away; all that is below it where it ends in `/`. */
function whiteout({ name }: LayerEntry): string | undefined {
  const at = name.lastIndexOf('/') + 1;
  const [directory, file] = [name.slice(0, at), name.slice(at)];
  if (file === '.wh..wh..opq') return directory;
  return file.startsWith('.wh.') ? directory + file.slice('.wh.'.length) : undefined;
}

function remove(path: string, plugins: Map<string, ImagePlugin>): void {
  for (const { id, files } of plugins.values()) {
    for (const file of files.keys()) {
      const whole = `${served}plugins/${id.name}/${id.version}/${file}`;
      if (whole === path || whole.startsWith(path.endsWith('/') ? path : `${path}/`)) files.delete(file);
    }
  }
}

async function metadataOf(id: PluginId, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readSmallFile(path, 'metadata', maxMetadataBytes);
  parseMetadata(bytes.toString('utf8'), pluginPath(id, 'metadata.txt'));
  return bytes;
}
