import {
  isMap,
  isScalar,
  isSeq,
  visit,
  type Scalar,
  type YamlDocument,
  type YAMLMap,
} from '../schema/yaml-library.js';
import { pathOfItem, pathOfKey } from './path.js';
import { isSecretName, mayCount } from './secret-name.js';
import { isReference, secretShape } from './secret-shape.js';

/** Something in a resource that looks like a secret. It is never repeated: only where it is, and what gave it away. */
export interface FoundSecret {
  /** `spec.defaultConfig.consumers[0].credential`; a key that looks like a secret itself is left out of it. */
  readonly path: string;
  readonly reason: string;
  /** The value; undefined where no variable can stand for it: in a key, a comment, or a field of the resource itself. */
  readonly value: Scalar | undefined;
}

/** Deepest nesting of JSON inside a text that is looked into. */
const maxDepth = 100;
/** Fields of the resource that hold names and digests, by their paths. */
const fieldsThatAreNone = new Set(['spec.imagePullSecret', 'spec.sha256', 'spec.verificationKey']);

/**
 * Everything in a resource that looks like a secret: by the name it stands under, as a private key, by the shape of a token, or
 * as random characters. Comments, keys and JSON inside texts are searched, too.
 */
export function findSecrets(document: YamlDocument): FoundSecret[] {
  const search = new Search();
  search.node(document.contents, '', undefined);
  search.comments(document);
  return search.found;
}

class Search {
  readonly found: FoundSecret[] = [];

  /** @param name the key that this stands under, where that says that it is a secret. */
  node(node: unknown, path: string, name: string | undefined): void {
    if (isMap(node)) this.#map(node, path, name);
    else if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) this.node(item, pathOfItem(path, index), name);
    } else if (isScalar(node)) {
      const reason = secretIn(node.value, name, 0);
      if (reason !== undefined) this.found.push({ path, reason, value: isField(path) ? undefined : node });
    }
  }

  #map(map: YAMLMap, path: string, name: string | undefined): void {
    const hints = hintsOf(scalarsOf(map));
    for (const [index, { key, value }] of map.items.entries()) {
      const text = isScalar(key) ? String(key.value) : '';
      const shape = secretShape(text);
      const inner = shape === undefined ? pathOfKey(path, text) : `${path}<key ${index + 1}>`;
      if (shape !== undefined)
        this.found.push({ path: inner, reason: `the key is ${shape}`, value: undefined });
      if (fieldsThatAreNone.has(inner) || hints.open.has(text)) continue;
      this.node(value, inner, hints.names.get(text) ?? (isSecretName(text) ? text : name));
    }
  }

  comments(document: YamlDocument): void {
    const look = (comment: string | null | undefined): void => {
      const reason = secretShape(comment ?? '');
      if (reason !== undefined) this.found.push({ path: 'a comment', reason, value: undefined });
    };
    look(document.commentBefore);
    look(document.comment);
    visit(document, {
      Node: (_key, node) => {
        look(node.commentBefore);
        look(node.comment);
      },
    });
  }
}

const scalarsOf = (map: YAMLMap): Record<string, unknown> =>
  Object.fromEntries(
    map.items.flatMap(({ key, value }) =>
      isScalar(key) && isScalar(value) ? [[String(key.value), value.value] as const] : [],
    ),
  );

/** Only what goes to the plugin can be given later: names, URLs and labels are needed to render. */
const isField = (path: string): boolean =>
  !/^spec\.(?:pluginConfig|defaultConfig|vmConfig|matchRules\[\d+\]\.config)\b/.test(path);

/** What the values of a mapping say of each other. */
interface Hints {
  /** Keys that hold secrets, with what says so. */
  readonly names: ReadonlyMap<string, string>;
  /** Keys that hold what anybody may know. */
  readonly open: ReadonlySet<string>;
}

const noHints: Hints = { names: new Map(), open: new Set() };
/** RFC 7517 and 7518: the public members of a key. */
const publicMembers = new Set(['n', 'e', 'x', 'y', 'kid', 'x5c', 'x5t', 'x5t#S256']);

function hintsOf(map: Readonly<Record<string, unknown>>): Hints {
  if (typeof map['kty'] === 'string') {
    const [member, open] = map['kty'] === 'oct' ? ['k', new Set<string>()] : ['d', publicMembers];
    return { names: new Map([[member, 'private key']]), open };
  }
  // `{name: API_KEY, value: ...}`, `{key: x-api-key, value: ...}`: the name of the value is a value, too.
  const name = ['name', 'key', 'header', 'headerName'].map((field) => map[field]).find(isSecretNameText);
  return name === undefined ? noHints : { names: new Map([['value', name]]), open: new Set() };
}

const isSecretNameText = (value: unknown): value is string =>
  typeof value === 'string' && isSecretName(value);

/** Why a value is a secret, if it is. */
function secretIn(value: unknown, name: string | undefined, depth: number): string | undefined {
  if (depth > maxDepth) return 'nested too deeply to be searched';
  if (typeof value === 'object' && value !== null) return secretInObject(value, name, depth);
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const text = String(value).trim();
  if (text === '' || isReference(text)) return undefined;
  const counts = name !== undefined && mayCount(name) && /^[0-9]{1,9}$/.test(text);
  if (name !== undefined && !counts) return 'named like a secret';
  const json = /^[[{]/.test(text) ? jsonIn(text) : undefined;
  return json === undefined ? secretShape(text) : secretIn(json, undefined, depth + 1);
}

function secretInObject(value: object, name: string | undefined, depth: number): string | undefined {
  const isList = Array.isArray(value);
  const hints = isList ? noHints : hintsOf(value as Readonly<Record<string, unknown>>);
  for (const [key, inner] of Object.entries(value)) {
    if (hints.open.has(key)) continue;
    const own = hints.names.get(key) ?? (!isList && isSecretName(key) ? key : name);
    const reason = secretShape(key) ?? secretIn(inner, own, depth + 1);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
