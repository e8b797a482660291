import { type Artifact, isTarLayer, type Layer, moduleLayerType } from '../registry/artifact.js';
import { type LayerFile, readTarLayer } from '../registry/tar-layer.js';
import { PlugferryError } from '../errors.js';
import { sha256OfFile } from '../files/digest-of-file.js';
import type { PrivateDirectory } from '../files/temp-directory.js';
import type { Progress } from '../stream/progress.js';
import { maxModuleBytes } from '../plugin/plugin.js';
import { metadataIn } from './image.js';
import { isModuleName } from './modules.js';

export interface Unwrapping {
  /** How errors call the artifact. */
  readonly file: string;
  readonly copies: PrivateDirectory;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

export interface UnwrappedModule {
  /** Path of plugin.wasm. */
  readonly wasm: string;
  /** The bytes of the metadata.txt beside it; undefined where there is none. */
  readonly metadata: Buffer | undefined;
}

/** A module that somebody would take out of an artifact. */
interface Candidate {
  readonly path: string;
  readonly sha256: string;
  /** Where in the artifact it stands, in words. */
  readonly where: string;
  /** The metadata.txt beside it. */
  readonly metadata?: LayerFile | undefined;
}

/** What of each layer could be a module. */
interface Opened {
  readonly layer: Layer;
  readonly candidates: readonly (Candidate & { readonly name: string | undefined })[];
}

/**
 * The module of a plugin's artifact, in any of the shapes that the field has: a raw module layer, alone or with others, or a
 * tar layer of an image, alone or behind layers with documentation.
 *
 * The gateway and plugin-server take it out by different rules. Where these lead to different code, there is no right answer,
 * and none is given.
 *
 * @returns private copies.
 * @throws PlugferryError `E_SOURCE`, and what fetching a layer throws.
 */
export async function unwrapModule(artifact: Artifact, unwrapping: Unwrapping): Promise<UnwrappedModule> {
  const opened: Opened[] = [];
  for (const layer of artifact.layers) {
    if (layer.mediaType === moduleLayerType) opened.push(await rawModule(layer, unwrapping));
    else if (isTarLayer(layer)) opened.push(await packedModules(layer, unwrapping));
  }
  const gateway = ofGateway(artifact, opened);
  const server = ofServer(opened);
  if (gateway !== undefined && server !== undefined && gateway.sha256 !== server.sha256)
    throw disagreement(unwrapping.file, gateway, server);
  const chosen = gateway ?? only(server, opened, unwrapping.file);
  if (chosen !== undefined) return unwrapped(chosen, unwrapping.file);
  throw noModule(unwrapping.file, artifact);
}

async function rawModule(layer: Layer, { signal, progress }: Unwrapping): Promise<Opened> {
  const path = await layer.fetch(signal, progress);
  const sha256 = layer.digest?.slice('sha256:'.length) ?? (await sha256OfFile(path, signal));
  return { layer, candidates: [{ path, sha256, name: undefined, where: 'its module layer' }] };
}

async function packedModules(layer: Layer, { copies, signal, progress }: Unwrapping): Promise<Opened> {
  const files = await readTarLayer(await layer.fetch(signal, progress), {
    label: layer.label,
    copies,
    limit: maxModuleBytes,
    want: ({ name, type }) =>
      (isModuleName(name) || isMetadata(name)) &&
      (type === 'file' || type === 'link') &&
      !name.split('/').at(-1)?.startsWith('.wh.'),
    signal,
  });
  const byName = new Map(files.map((file) => [file.name, file]));
  const candidates = files
    .filter(({ name }) => !isMetadata(name))
    .map((file) => {
      const beside = `${file.name.slice(0, file.name.lastIndexOf('/') + 1)}metadata.txt`;
      return { ...file, metadata: byName.get(beside), where: `"${file.name}" of ${layer.label}` };
    });
  return { layer, candidates };
}

const isMetadata = (name: string): boolean => /(?:^|\/)metadata\.txt$/.test(name);

const unwrapped = async ({ path, metadata }: Candidate, label: string): Promise<UnwrappedModule> => ({
  wasm: path,
  metadata: metadata && (await metadataIn(metadata, `${label}: ${metadata.name}`)),
});

/**
 * What istio takes (`pkg/wasm/imagefetcher.go`): of a Docker manifest `plugin.wasm` of the last layer; of an OCI manifest the
 * same, if the last layer is an image layer, or else the module layer of exactly two layers.
 */
function ofGateway({ form, layers }: Artifact, opened: readonly Opened[]): Candidate | undefined {
  const last = layers.at(-1);
  const inLast = opened.find(({ layer }) => layer === last);
  if (last !== undefined && inLast !== undefined && isTarLayer(last))
    return inLast.candidates.find(isPluginWasm);
  if (form === 'docker' || layers.length !== 2) return undefined;
  return opened.find(({ layer }) => layer.mediaType === moduleLayerType)?.candidates[0];
}

const isPluginWasm = ({ name }: Pick<LayerFile, 'name'> | { readonly name: string | undefined }): boolean =>
  name?.split('/').at(-1) === 'plugin.wasm';

/** What plugin-server takes (`pull_plugins.py`): the first `.wasm` of the last layer that has one. */
const ofServer = (opened: readonly Opened[]): Candidate | undefined =>
  opened.findLast(({ candidates }) => candidates.length > 0)?.candidates[0];

/** Where only plugin-server finds something, the choice must not hang on the order in an archive. */
function only(server: Candidate | undefined, opened: readonly Opened[], file: string): Candidate | undefined {
  const different = new Map(
    opened.flatMap(({ candidates }) => candidates).map((each) => [each.sha256, each]),
  );
  if (different.size <= 1) return server;
  const found = [...different.values()].map(({ where }) => where);
  throw new PlugferryError(
    'E_SOURCE',
    `${file} holds ${different.size} different modules: ${found.join(', ')}`,
    {
      hint: 'Which of them runs would be chance. Have the artifact built with one module, named plugin.wasm.',
      details: { file, expected: 'one module', found: different.size, modules: found },
    },
  );
}

const disagreement = (file: string, gateway: Candidate, server: Candidate): PlugferryError =>
  new PlugferryError(
    'E_SOURCE',
    `${file} is not one plugin: the gateway would load ${gateway.where} (sha256 ${gateway.sha256.slice(0, 16)}...), ` +
      `plugin-server would serve ${server.where} (sha256 ${server.sha256.slice(0, 16)}...)`,
    {
      hint: 'Have the artifact built with one module, named plugin.wasm, in one layer.',
      details: { file, expected: gateway.sha256, found: server.sha256 },
    },
  );

function noModule(file: string, { layers }: Artifact): PlugferryError {
  const types = layers.map(({ mediaType }) => mediaType);
  return new PlugferryError(
    'E_SOURCE',
    `${file} holds no module: its layers are ${types.join(', ') || 'none'}`,
    {
      hint: 'Expected is a plugin: a layer of the module itself, or an image that holds plugin.wasm. Check the reference.',
      details: { file, expected: 'a module', found: types.join(', ') },
    },
  );
}
