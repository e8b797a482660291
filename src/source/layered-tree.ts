/** What a directory holds, by name. */
interface Node<Content> {
  readonly children: Map<string, Node<Content>>;
  content: Content | undefined;
}

const nodeOf = <Content>(): Node<Content> => ({ children: new Map(), content: undefined });
const segmentsOf = (path: string): string[] => path.split('/').filter((segment) => segment !== '');

/**
 * A tree of files that layers build up and take away from. Each change costs as many steps as its path has segments, however
 * much is there: layers may take away hundreds of thousands of things.
 */
export class LayeredTree<Content> {
  #root: Node<Content> = nodeOf();

  /** @param content undefined for a directory. */
  put(path: string, content: Content | undefined): void {
    let node = this.#root;
    for (const segment of segmentsOf(path)) {
      const next = node.children.get(segment) ?? nodeOf();
      node.children.set(segment, next);
      node = next;
    }
    node.content = content ?? node.content;
  }

  at(path: string): Content | undefined {
    return this.#node(segmentsOf(path))?.content;
  }

  /** Takes away what is at a path, and all below it. */
  remove(path: string): void {
    const segments = segmentsOf(path);
    const last = segments.pop();
    if (last === undefined) this.#root = nodeOf();
    else this.#node(segments)?.children.delete(last);
  }

  /** Takes away all below a path. */
  empty(path: string): void {
    this.#node(segmentsOf(path))?.children.clear();
  }

  /** All paths, those of directories included. */
  paths(): string[] {
    const found: string[] = [];
    const visit = ({ children }: Node<Content>, above: string): void => {
      for (const [name, child] of children) {
        found.push(above + name);
        visit(child, `${above}${name}/`);
      }
    };
    visit(this.#root, '');
    return found;
  }

  #node(segments: readonly string[]): Node<Content> | undefined {
    let node: Node<Content> | undefined = this.#root;
    for (const segment of segments) node = node?.children.get(segment);
    return node;
  }
}
