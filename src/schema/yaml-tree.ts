import { isAlias, isCollection, isMap, isScalar, isSeq, visit, type Node, type YAMLMap } from './yaml-library.js';

/** Deepest nesting of mappings and lists. */
export const maxDepth = 200;
/** Most values that aliases may stand for. */
const maxAliased = 100_000;

/**
 * Puts in place of each alias of a document what it stands for, and of each merge key what it brings.
 *
 * @throws Error, in words, for what no Kubernetes object holds: two keys of one name, a key that is no text, a value that contains
 *   itself, nesting deeper than {@link maxDepth}, and aliases that stand for too much.
 */
export function writeOut(document: { contents: unknown }): void {
  document.contents = new Writer().settle(document.contents, 0);
}

class Writer {
  /** What the anchors so far name, written out. An anchor counts until it is set again. */
  readonly #anchors = new Map<string, unknown>();
  /** Anchors of the values that are not at their end yet. */
  readonly #open = new Set<string>();
  #budget = maxAliased;

  settle(node: unknown, depth: number): unknown {
    if (depth > maxDepth) throw new Error(`nested deeper than ${maxDepth} levels`);
    if (isAlias(node)) return this.#copyOf(node.source);
    if (!isScalar(node) && !isCollection(node)) return node;
    const { anchor } = node;
    delete node.anchor;
    if (anchor !== undefined) this.#open.add(anchor);
    if (isMap(node)) this.#settleMap(node, depth);
    else if (isSeq(node)) node.items = node.items.map((item) => this.settle(item, depth + 1));
    if (anchor !== undefined) {
      this.#open.delete(anchor);
      this.#anchors.set(anchor, node);
    }
    return node;
  }

  #copyOf(anchor: string): unknown {
    if (this.#open.has(anchor)) throw new Error('a value contains itself');
    const node = this.#anchors.get(anchor) as Node | undefined;
    if (node === undefined) throw new Error(`the alias *${anchor.slice(0, 80)} stands for nothing`);
    visit(node, () => {
      this.#budget -= 1;
      if (this.#budget < 0) throw new Error(`aliases stand for more than ${maxAliased} values`);
    });
    return node.clone();
  }

  #settleMap(map: YAMLMap, depth: number): void {
    checkKeys(map);
    for (const pair of map.items) pair.value = this.settle(pair.value, depth + 1);
    const merged = map.items.filter(({ key }) => isMergeKey(key));
    if (merged.length === 0) return;
    map.items = map.items.filter(({ key }) => !isMergeKey(key));
    for (const { value } of merged) mergeInto(map, isSeq(value) ? value.items : [value]);
  }
}

/** go-yaml takes it for one in quotes, too. */
const isMergeKey = (key: unknown): boolean =>
  isScalar(key) && (typeof key.value === 'symbol' || (key.value === '<<' && key.tag === undefined));
const nameOf = (key: unknown): string => (isScalar(key) ? String(key.value) : '');

function checkKeys({ items }: YAMLMap): void {
  const seen = new Set<string>();
  for (const { key } of items) {
    if (!isScalar(key) || key.value === null) throw new Error('a key is no text');
    const name = isMergeKey(key) ? '<<' : nameOf(key);
    if (seen.has(name)) throw new Error(`the key ${JSON.stringify(name.slice(0, 80))} is there twice`);
    seen.add(name);
  }
}

/** Keys that stand in a mapping itself win; of several sources the first. */
function mergeInto(map: YAMLMap, sources: readonly unknown[]): void {
  const names = new Set(map.items.map(({ key }) => nameOf(key)));
  for (const source of sources) {
    if (!isMap(source)) throw new Error('a merge key (<<) takes mappings only');
    for (const pair of source.items) {
      if (!names.has(nameOf(pair.key))) map.items.push(pair);
      names.add(nameOf(pair.key));
    }
  }
}
