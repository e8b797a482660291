import { PlugferryError } from '../errors.js';
import { isMap, type YamlDocument } from '../schema/yaml-library.js';
import { parseYaml } from '../schema/yaml.js';
import { mergePatch, type Change } from './merge-patch.js';
import type { ResourceText } from './texts.js';

/** What is different in one environment. */
export interface Overlays {
  /** Patches by the name of a resource; `*` is for all, before its own. */
  readonly patches: ReadonlyMap<string, Patch>;
  readonly file: string;
}

type Patch = Readonly<Record<string, unknown>>;

const everyName = '*';
const hint =
  'Write the names of resources, each with a JSON merge patch (RFC 7386) of it: "key-auth-1.0.0: {spec: {priority: 300}}"; "*" is for all.';

/**
 * Reads a file of overlays, in YAML or JSON.
 *
 * @throws PlugferryError `E_USAGE` when it is not a mapping of names to patches, or changes what a resource is.
 */
export function parseOverlays({ file, text }: ResourceText): Overlays {
  const patches = new Map<string, Patch>();
  const parts = parseYaml(text, { file, code: 'E_USAGE', hint });
  for (const { value, line } of parts) {
    if (!isObject(value)) throw refused(file, `line ${line}: not a mapping of names to patches`);
    for (const [name, patch] of Object.entries(value)) {
      if (!isObject(patch)) throw refused(file, `${JSON.stringify(name.slice(0, 120))} has no patch`);
      if (patches.has(name)) throw refused(file, `${JSON.stringify(name.slice(0, 120))} is there twice`);
      demandHarmless(patch, name, file);
      patches.set(name, patch);
    }
  }
  return { patches, file };
}

/** What tells a resource from others is not for an environment to change; `render` sets the namespace of all. */
function demandHarmless(patch: Patch, name: string, file: string): void {
  const metadata = patch['metadata'];
  const identity = [
    ...['apiVersion', 'kind'].filter((key) => key in patch),
    ...(isObject(metadata) ? ['name', 'namespace'].filter((key) => key in metadata) : []),
    ...('metadata' in patch && !isObject(metadata) ? ['metadata'] : []),
    ...('spec' in patch && !isObject(patch['spec']) ? ['spec'] : []),
  ];
  const [first] = identity;
  if (first !== undefined)
    throw refused(file, `the patch of ${JSON.stringify(name.slice(0, 120))} changes ${first}`);
}

/**
 * Refuses patches for resources that are not there: a slip of the pen would leave an environment as it was.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function demandResources({ patches, file }: Overlays, names: readonly string[]): void {
  const unknown = [...patches.keys()].filter((name) => name !== everyName && !names.includes(name));
  if (unknown.length === 0) return;
  throw new PlugferryError('E_USAGE', `${file}: the bundle has no ${unknown.join(', ').slice(0, 400)}`, {
    hint: `It has: ${names.join(', ').slice(0, 400)}.`,
    details: { file, found: unknown.join(', '), resources: names },
  });
}

/** Applies what is for all and what is for this resource. */
export function applyOverlays(document: YamlDocument, name: string, { patches }: Overlays): Change[] {
  const { contents } = document;
  if (!isMap(contents)) return [];
  return [everyName, name].flatMap((key) => mergePatch(contents, patches.get(key) ?? {}));
}

const isObject = (value: unknown): value is Patch =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const refused = (file: string, reason: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${file}: ${reason}`, { hint, details: { file, found: reason } });
