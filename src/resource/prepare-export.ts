import { PlugferryError } from '../errors.js';
import { compareText } from '../plugin/plugin.js';
import { isResourceName, maxResourceBytes, maxResources } from '../plugin/resource-name.js';
import { yamlText } from '../schema/yaml.js';
import { dropClusterFields } from './cluster-fields.js';
import { readWasmPluginDocuments, type WasmPluginDocument } from './documents.js';
import { findSecrets, type FoundSecret } from './secrets.js';
import type { ResourceText } from './texts.js';
import { replaceSecrets, type NamedVariable } from './variables.js';
import type { WasmPluginResource } from './wasm-plugin.js';

export interface CarryOptions {
  /** Put variables in place of what looks like a secret, instead of refusing it. */
  readonly secretsToVariables: boolean;
}

/** A WasmPlugin that is fit to travel. */
export interface CarriedResource {
  readonly name: string;
  readonly resource: WasmPluginResource;
  /** YAML, with its comments, without what belongs to a cluster, and without secrets. */
  readonly text: string;
  readonly variables: readonly NamedVariable[];
}

export interface Carried {
  /** Ascending by name. */
  readonly resources: readonly CarriedResource[];
  /** What there was besides WasmPlugins, and stays. */
  readonly notes: readonly string[];
}

/**
 * Makes the WasmPlugins of some texts fit to travel.
 *
 * @throws PlugferryError `E_SECRET` for what looks like a secret and is not replaced, with all paths in `details.secrets`;
 *   `E_SOURCE` for what is no YAML, has no name that can travel, or has the name of another; `E_LIMIT`.
 */
export function carryResources(texts: readonly ResourceText[], options: CarryOptions): Carried {
  const read = texts.map(({ text, file }) => readWasmPluginDocuments(text, file));
  const documents = read.flatMap(({ plugins }) => plugins);
  if (documents.length === 0) throw none(texts);
  if (documents.length > maxResources) throw tooMany(documents.length);
  demandNames(documents);
  const searched = documents.map((plugin) => {
    dropClusterFields(plugin.document);
    return { ...plugin, secrets: findSecrets(plugin.document) };
  });
  refuseSecrets(searched, options);
  const resources = searched.map(({ resource, document, secrets }): CarriedResource => {
    const variables = replaceSecrets(document, resource.name, secrets);
    return { name: resource.name, resource, text: textOf(document, resource), variables };
  });
  return {
    resources: resources.sort((a, b) => compareText(a.name, b.name)),
    notes: read
      .flatMap(({ others }) => others)
      .map((other) => `${other} does not travel: only WasmPlugins do`),
  };
}

function textOf(document: WasmPluginDocument['document'], { name, file }: WasmPluginResource): string {
  const text = yamlText(document);
  const size = Buffer.byteLength(text);
  if (size <= maxResourceBytes) return text;
  throw new PlugferryError('E_LIMIT', `WasmPlugin ${name} of ${file} has ${size} bytes`, {
    hint: `A resource may have ${maxResourceBytes} bytes: no API server takes much more.`,
    details: { file, expected: maxResourceBytes, found: size },
  });
}

/** Names become names of files, and are what a receiver tells resources apart by: all go to one namespace there. */
function demandNames(documents: readonly WasmPluginDocument[]): void {
  const seen = new Map<string, WasmPluginResource>();
  for (const { resource } of documents) {
    const { name, file, line } = resource;
    if (!isResourceName(name)) {
      throw new PlugferryError(
        'E_SOURCE',
        `${file}:${line}: the name ${JSON.stringify(name.slice(0, 120))} cannot travel`,
        {
          hint: 'Names have lower-case letters, digits, "-" and ".", at most 95 characters, and are not those of devices.',
          details: { file, found: name },
        },
      );
    }
    const other = seen.get(name);
    if (other !== undefined) throw twice(other, resource);
    seen.set(name, resource);
  }
}

function twice(one: WasmPluginResource, other: WasmPluginResource): PlugferryError {
  const places = [one, other].map(
    ({ namespace, file, line }) =>
      `${file}:${line}${namespace === undefined ? '' : ` (namespace ${namespace})`}`,
  );
  return new PlugferryError('E_SOURCE', `two WasmPlugins are called ${one.name}: ${places.join(' and ')}`, {
    hint: 'Give those of one namespace, the one of the Higress controller: it looks at no other.',
    details: { file: other.file, found: one.name, namespaces: [one.namespace, other.namespace] },
  });
}

interface Searched extends WasmPluginDocument {
  readonly secrets: readonly FoundSecret[];
}

function refuseSecrets(documents: readonly Searched[], { secretsToVariables }: CarryOptions): void {
  const secrets = documents.flatMap(({ resource: { name, file, line }, secrets: found }) =>
    found
      .filter(({ value }) => !secretsToVariables || value === undefined)
      .map(({ path, reason, value }) => ({
        resource: name,
        file,
        line,
        path,
        reason,
        replaceable: value !== undefined,
      })),
  );
  const [first] = secrets;
  if (first === undefined) return;
  const some = secrets.slice(0, 5).map(({ resource, path, reason }) => `${path} of ${resource} (${reason})`);
  const rest = secrets.length > some.length ? `, and ${secrets.length - some.length} more` : '';
  const byHand = 'Take out by hand what stands in names, keys, labels, URLs and comments.';
  throw new PlugferryError('E_SECRET', `secrets do not travel: ${some.join(', ')}${rest}`, {
    hint: secrets.some(({ replaceable }) => replaceable)
      ? `Give --secrets-to-variables to have variables in their place, filled where the resources are rendered. ${byHand}`
      : byHand,
    details: { file: first.file, secrets },
  });
}

const none = (texts: readonly ResourceText[]): PlugferryError =>
  new PlugferryError(
    'E_NOT_FOUND',
    `no WasmPlugin in ${
      texts
        .map(({ file }) => file)
        .join(', ')
        .slice(0, 400) || 'an empty directory'
    }`,
    {
      hint: 'Give what "kubectl get wasmplugins -n higress-system -o yaml" prints, or the wasmplugins directory of a standalone Higress.',
      details: { expected: 'WasmPlugin (extensions.higress.io/v1alpha1)' },
    },
  );

const tooMany = (found: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `${found} WasmPlugins, a bundle carries at most ${maxResources}`, {
    hint: 'Make several bundles of them.',
    details: { expected: maxResources, found },
  });
