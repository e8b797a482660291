import { PlugferryError } from '../errors.js';
import { differenceFrom, digestOf } from '../stream/digest.js';
import { parsePluginPath, pluginFileNames, pluginPath } from '../plugin/layout.js';
import {
  comparePluginIds,
  compareText,
  formatPluginId,
  isPluginName,
  isPluginVersion,
} from '../plugin/plugin.js';
import {
  isResourceName,
  maxResourceBytes,
  maxResourceTotal,
  parseResourcePath,
  resourcePath,
} from '../plugin/resource-name.js';
import type { Manifest, ManifestFile, ModuleFacts } from '../schema/manifest.js';
import { parseDocument } from '../schema/parse.js';
import { checksumNames, manifestName, maxSharedPath } from './bundle.js';
import { checksumText } from './checksums.js';

const thisType: Manifest['type'] = 'plugferry.bundle/v1';
const hint = 'The bundle was made by a faulty or foreign program. Export it again with Plugferry.';

/**
 * Raw manifest bytes, whose signature was checked, to a manifest that keeps every rule of `schemas/README.md`.
 *
 * @throws PlugferryError `E_MANIFEST`, `E_LIMIT` for a count or size beyond the format's, `E_FORMAT_VERSION` for a bundle
 *   of another format version.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  refuseOtherVersion(bytes);
  const manifest = parseDocument('manifest', bytes, {
    file: manifestName,
    code: 'E_MANIFEST',
    limitCode: 'E_LIMIT',
    hint,
  });
  if (Object.keys(manifest)[0] !== 'type') throw refused('its first key is not "type"');
  checkPlugins(manifest);
  checkResources(manifest);
  checkFiles(manifest);
  return manifest;
}

function refuseOtherVersion(bytes: Uint8Array): void {
  // A cheap look at the first key, which the format fixes; whatever does not match is left to the schema.
  const head = Buffer.from(bytes.subarray(0, 128)).toString('latin1');
  const found = /^\{\n {2}"type": "(plugferry\.bundle\/v\d+)"/.exec(head)?.[1];
  if (found === undefined || found === thisType) return;
  throw new PlugferryError(
    'E_FORMAT_VERSION',
    `${manifestName}: format ${found}, this program reads ${thisType}`,
    {
      hint: 'Use a newer Plugferry on this side, or export with the version that is installed here.',
      details: { file: manifestName, expected: thisType, found },
    },
  );
}

function checkPlugins({ plugins }: Manifest): void {
  for (const [index, plugin] of plugins.entries()) {
    if (!isPluginName(plugin.name)) throw refused(`plugin name "${plugin.name}" is not allowed`);
    if (!isPluginVersion(plugin.version)) {
      throw refused(`version "${plugin.version}" of plugin ${plugin.name} is not allowed`);
    }
    const before = plugins[index - 1];
    if (before !== undefined && comparePluginIds(before, plugin) >= 0) {
      throw refused(`plugin ${formatPluginId(plugin)} is listed twice or out of order`);
    }
    const unordered = unorderedFact(plugin.wasm);
    if (unordered !== undefined)
      throw refused(`${unordered} of the module of ${formatPluginId(plugin)} are out of order`);
  }
}

/** Names that a manifest cut short, or wrote in ASCII, may be alike; modules of imports are not. */
function unorderedFact({ abi, start, imports, exports }: ModuleFacts): string | undefined {
  const lists = {
    abi,
    start,
    exports,
    ...Object.fromEntries(imports.map(({ module, names }) => [`imports from ${module}`, names])),
  };
  const modules = imports.map(({ module }) => module);
  if (new Set(modules).size !== modules.length) return 'imports';
  return Object.entries({ ...lists, imports: modules }).find(([, names]) => !isAscending(names))?.[0];
}

const isAscending = (names: readonly string[]): boolean =>
  names.every((name, at) => at === 0 || compareText(names[at - 1] ?? '', name) <= 0);

function checkResources({ resources = [] }: Manifest): void {
  for (const [index, { name, variables }] of resources.entries()) {
    if (!isResourceName(name)) throw refused(`resource name "${name}" is not allowed`);
    const before = resources[index - 1];
    if (before !== undefined && compareText(before.name, name) >= 0)
      throw refused(`resource ${name} is listed twice or out of order`);
    for (const [at, variable] of variables.entries()) {
      const last = variables[at - 1];
      if (last !== undefined && compareText(last, variable) >= 0)
        throw refused(`variable ${variable} of resource ${name} is listed twice or out of order`);
    }
  }
}

/** The paths that a manifest must list, in this order. */
function expectedPaths({ plugins, resources = [] }: Pick<Manifest, 'plugins' | 'resources'>): string[] {
  return [
    ...checksumNames,
    ...resources.map(({ name }) => resourcePath(name)),
    ...plugins.flatMap((id) => pluginFileNames.map((file) => pluginPath(id, file))),
  ];
}

function checkFiles(manifest: Manifest): void {
  const { files, totalSize } = manifest;
  checkResourceSizes(files);
  const expected = expectedPaths(manifest);
  const seen = new Map<string, ManifestFile>();
  const modules = new Map<string, string>();
  const folded = new Set<string>();
  let total = 0;
  for (const [index, file] of files.entries()) {
    if (file.path !== expected[index]) {
      throw refused(`file ${index + 1} is "${file.path}", expected "${expected[index] ?? 'no more files'}"`);
    }
    // Trees also pass through file systems that do not tell upper from lower case.
    if (folded.has(file.path.toLowerCase()))
      throw refused(`"${file.path}" differs from another path only in case`);
    checkSameAs(file, seen);
    checkShared(file, modules);
    seen.set(file.path, file);
    folded.add(file.path.toLowerCase());
    total += file.size;
  }
  if (files.length !== expected.length) throw refused(`${files.length} files, expected ${expected.length}`);
  if (total !== totalSize) throw refused(`totalSize is ${totalSize}, its files have ${total} bytes`);
  checkChecksums(files);
}

function checkSameAs(file: ManifestFile, seen: ReadonlyMap<string, ManifestFile>): void {
  if (file.sameAs === undefined) return;
  const first = seen.get(file.sameAs);
  const isModule = parsePluginPath(file.path)?.file === 'plugin.wasm';
  if (
    !isModule ||
    first === undefined ||
    first.path.length > maxSharedPath ||
    first.sameAs !== undefined ||
    differenceFrom(first, file) !== null
  ) {
    throw refused(`"${file.path}" says it is the same as "${file.sameAs}", which is not so`);
  }
}

/**
 * Equal modules travel once: one bundle has one list of files.
 *
 * @param modules digests of the modules so far that others can point to, with their paths.
 */
function checkShared({ path, sha256, sameAs }: ManifestFile, modules: Map<string, string>): void {
  if (parsePluginPath(path)?.file !== 'plugin.wasm') return;
  const first = modules.get(sha256);
  if (first !== sameAs) throw refused(`"${path}" has the bytes of "${first ?? ''}" and does not say so`);
  if (first === undefined && path.length <= maxSharedPath) modules.set(sha256, path);
}

/** Resources are read whole. */
function checkResourceSizes(files: readonly ManifestFile[]): void {
  const resources = files.filter(({ path }) => parseResourcePath(path) !== undefined);
  const large = resources.find(({ size }) => size > maxResourceBytes);
  if (large !== undefined) throw beyond(large.path, large.size, maxResourceBytes);
  const total = resources.reduce((sum, { size }) => sum + size, 0);
  if (total > maxResourceTotal) throw beyond('resources', total, maxResourceTotal);
}

const beyond = (file: string, found: number, expected: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `${manifestName}: ${file} has ${found} bytes, expected at most ${expected}`, {
    hint,
    details: { file, expected, found },
  });

/** The checksum files hold nothing that the manifest does not say, so their digests follow from it. */
function checkChecksums(files: readonly ManifestFile[]): void {
  const [md5File, sha256File, ...payload] = files;
  for (const [file, algorithm] of [
    [md5File, 'md5'],
    [sha256File, 'sha256'],
  ] as const) {
    if (file === undefined) continue;
    const content = digestOf(Buffer.from(checksumText(payload, algorithm)));
    if (differenceFrom(file, content) !== null)
      throw refused(`${file.path} does not list the files of the manifest`);
  }
}

function refused(reason: string): PlugferryError {
  return new PlugferryError('E_MANIFEST', `${manifestName}: ${reason}`, {
    hint,
    details: { file: manifestName, found: reason },
  });
}
