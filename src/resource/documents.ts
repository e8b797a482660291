import { PlugferryError } from '../errors.js';
import { documentOf, isMap, isSeq, visit, type YamlDocument } from '../schema/yaml-library.js';
import { parseYaml, type YamlContext, type YamlPart } from '../schema/yaml.js';
import { isWasmPlugin, wasmPluginOf, type WasmPluginResource } from './wasm-plugin.js';

/** A WasmPlugin and its syntax tree, which keeps the comments. */
export interface WasmPluginDocument {
  readonly resource: WasmPluginResource;
  readonly document: YamlDocument;
}

export interface ReadDocuments {
  readonly plugins: readonly WasmPluginDocument[];
  /** Of each object that is no WasmPlugin, where it is and what; nothing of what it holds. */
  readonly others: readonly string[];
}

/**
 * The WasmPlugins of a YAML or JSON text, each as a document of its own, also where they are the items of a List.
 *
 * @throws PlugferryError `E_SOURCE` when the text is not YAML, or holds what is no Kubernetes object.
 */
export function readWasmPluginDocuments(text: string, file: string): ReadDocuments {
  const plugins: WasmPluginDocument[] = [];
  const others: string[] = [];
  const context: YamlContext = {
    file,
    code: 'E_SOURCE',
    hint: 'Expected are WasmPlugin resources as "kubectl get wasmplugins -o yaml" prints them.',
  };
  for (const part of parseYaml(text, context)) {
    for (const document of documentsOf(part)) {
      const object: unknown = document.toJS();
      const at = { file, line: part.line };
      if (isWasmPlugin(object)) plugins.push({ resource: wasmPluginOf(object, at), document });
      else others.push(`${file}:${part.line}: ${kindOf(object, at)}`);
    }
  }
  return { plugins, others };
}

interface Place {
  readonly file: string;
  readonly line: number;
}

function kindOf(object: unknown, { file, line }: Place): string {
  const { kind, apiVersion } = (object ?? {}) as { readonly kind?: unknown; readonly apiVersion?: unknown };
  if (typeof kind === 'string' && typeof apiVersion === 'string') return `${kind} (${apiVersion})`;
  throw new PlugferryError('E_SOURCE', `${file}:${line}: not a Kubernetes object`, {
    hint: 'Every document needs apiVersion and kind. Give files that hold resources and nothing else.',
    details: { file, expected: 'apiVersion and kind' },
  });
}

function documentsOf({ document }: YamlPart): YamlDocument[] {
  const { contents } = document;
  const kind: unknown = isMap(contents) ? contents.get('kind') : undefined;
  const items: unknown = isMap(contents) ? contents.get('items') : undefined;
  if (typeof kind === 'string' && kind.endsWith('List') && isSeq(items)) return items.items.map(standing);
  const own = standing(contents);
  own.commentBefore = document.commentBefore;
  own.comment = document.comment;
  return [own];
}

/** A node as a document in block style, without the marks and directives of the text that it was part of. */
function standing(node: unknown): YamlDocument {
  const document = documentOf(node);
  visit(document, {
    Collection: (_key, collection) => {
      collection.flow = false;
    },
  });
  return document;
}
