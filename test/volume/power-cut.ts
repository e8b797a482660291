import { constants } from 'node:fs';
import { link, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, basename, relative } from 'node:path';
import { watchFileSystem, type FileSystemCall } from '../helpers/faults.mjs';

interface FileNode {
  readonly kind: 'file';
  content: Buffer;
  /** What is on the disk for certain. */
  flushed: Buffer;
}
interface LinkNode {
  readonly kind: 'link';
  readonly target: string;
}
interface DirectoryNode {
  readonly kind: 'directory';
  entries: Map<string, Node>;
  /** The entries that are on the disk for certain. */
  flushed: Map<string, Node>;
}
type Node = FileNode | LinkNode | DirectoryNode;

/**
 * What a power cut leaves. `lost`: only what was flushed, entries and contents alike, as POSIX allows. `unwritten`: every
 * entry, as a journalling file system keeps them, but contents only as far as they were flushed. `none`: everything, as after a
 * kill -9 of the process alone.
 */
export type PowerCut = 'lost' | 'unwritten' | 'none';

/** A path to the content of the file, the target of the link or undefined for a directory, and the inode. */
export type Image = Map<string, { node: Node; content: string | undefined }>;

/** A second disk in memory that follows the calls made on a directory of the real one, and knows what was flushed. */
export class ShadowDisk {
  readonly #root: string;
  readonly #top: DirectoryNode = { kind: 'directory', entries: new Map(), flushed: new Map() };
  readonly #open = new WeakMap<object, Node>();

  private constructor(root: string) {
    this.#root = root;
  }

  /** A copy of what is there; all of it counts as flushed. */
  static async of(root: string): Promise<ShadowDisk> {
    const disk = new ShadowDisk(root);
    await disk.#load(root, disk.#top, new Map());
    return disk;
  }

  async #load(path: string, into: DirectoryNode, inodes: Map<number, FileNode>): Promise<void> {
    for (const name of await readdir(path)) {
      const child = join(path, name);
      const stats = await lstat(child);
      let node: Node;
      if (stats.isDirectory()) {
        node = { kind: 'directory', entries: new Map(), flushed: new Map() };
        await this.#load(child, node, inodes);
      } else if (stats.isSymbolicLink()) {
        node = { kind: 'link', target: await readlink(child) };
      } else {
        const content = await readFile(child);
        node = inodes.get(stats.ino) ?? { kind: 'file', content, flushed: content };
        inodes.set(stats.ino, node);
      }
      into.entries.set(name, node);
      into.flushed.set(name, node);
    }
  }

  /** Follows the calls of `work`; `afterEach` is told after each that changed something. */
  async follow(work: () => Promise<unknown>, afterEach: (call: FileSystemCall) => void): Promise<void> {
    const restore = await watchFileSystem((call) => (result) => {
      this.#apply(call, result);
      if (call.change !== undefined) afterEach(call);
    });
    try {
      await work();
    } finally {
      restore();
    }
  }

  #apply(call: FileSystemCall, result: unknown): void {
    const { name, args } = call;
    const [first, second] = args as [string, string];
    if (name.startsWith('handle.')) {
      this.#applyToHandle(call);
      return;
    }
    if (typeof first !== 'string' || (!this.#isOurs(first) && name !== 'symlink')) return;
    switch (name) {
      case 'open':
        this.#opened(first, { flags: args[1] as number, handle: result as object });
        break;
      case 'mkdir':
        if (this.#at(first) === undefined)
          this.#put(first, { kind: 'directory', entries: new Map(), flushed: new Map() });
        break;
      case 'writeFile':
        this.#put(first, { kind: 'file', content: Buffer.from(second), flushed: Buffer.alloc(0) });
        break;
      case 'copyFile': {
        const source = this.#at(first);
        if (source?.kind !== 'file') throw new Error(`the shadow disk has no ${first}`);
        this.#put(second, { kind: 'file', content: source.content, flushed: Buffer.alloc(0) });
        break;
      }
      case 'rename':
        this.#put(second, this.#take(first));
        break;
      case 'link':
        this.#put(second, this.#at(first)!);
        break;
      case 'symlink':
        this.#put(second, { kind: 'link', target: first });
        break;
      case 'unlink':
      case 'rm':
        this.#remove(first);
        break;
      case 'chmod':
      case 'lstat':
      case 'stat':
      case 'statfs':
      case 'readFile':
      case 'readdir':
      case 'readlink':
      case 'realpath':
        break;
      default:
        throw new Error(`the shadow disk does not know ${name}`);
    }
  }

  #opened(path: string, { flags, handle }: { flags: number; handle: object }): void {
    let node = this.#at(path);
    if (node === undefined && (flags & constants.O_CREAT) !== 0) {
      node = { kind: 'file', content: Buffer.alloc(0), flushed: Buffer.alloc(0) };
      this.#put(path, node);
    }
    if (node?.kind === 'file' && (flags & constants.O_TRUNC) !== 0) node.content = Buffer.alloc(0);
    if (node !== undefined) this.#open.set(handle, node);
  }

  #applyToHandle({ name, args, handle }: FileSystemCall): void {
    const node = this.#open.get(handle);
    if (node === undefined || node.kind === 'link') return;
    if (name === 'handle.sync') {
      if (node.kind === 'file') node.flushed = node.content;
      else node.flushed = new Map(node.entries);
    } else if (name === 'handle.writeFile' && node.kind === 'file') {
      node.content = Buffer.concat([node.content, Buffer.from(args[0] as string)]);
    }
  }

  readonly #isOurs = (path: string): boolean => !relative(this.#root, path).startsWith('..');

  #at(path: string): Node | undefined {
    const parts = relative(this.#root, path).split('/').filter(Boolean);
    let node: Node | undefined = this.#top;
    for (const part of parts) node = node?.kind === 'directory' ? node.entries.get(part) : undefined;
    return node;
  }

  #parent(path: string): DirectoryNode {
    const node = this.#at(dirname(path));
    if (node?.kind !== 'directory') throw new Error(`the shadow disk has no ${dirname(path)}`);
    return node;
  }

  #put(path: string, node: Node): void {
    this.#parent(path).entries.set(basename(path), node);
  }

  #take(path: string): Node {
    const node = this.#at(path)!;
    this.#parent(path).entries.delete(basename(path));
    return node;
  }

  /** At its worst: on the disk at once, whatever came before it and was not flushed. */
  #remove(path: string): void {
    const node = this.#at(path);
    if (node === undefined) return;
    this.#take(path);
    this.#parent(path).flushed.delete(basename(path));
    this.#emptied(node);
  }

  /** The files are gone, the directories are not yet. */
  #emptied(node: Node): void {
    if (node.kind !== 'directory') return;
    for (const [name, child] of node.entries) {
      this.#emptied(child);
      if (child.kind !== 'directory') node.flushed.delete(name);
    }
    node.entries.clear();
  }

  /** Paths at and below `path` of which a power cut would lose content or entries. */
  unflushedBelow(path: string): string[] {
    const isBelow = (other: string): boolean => other === path || other.startsWith(`${path}/`);
    return [...this.image('unwritten')].flatMap(([other, { node }]) => {
      if (!isBelow(other) || node.kind === 'link') return [];
      const isFlushed =
        node.kind === 'file'
          ? node.flushed.equals(node.content)
          : [...node.entries].every(([name, child]) => node.flushed.get(name) === child);
      return isFlushed ? [] : [other];
    });
  }

  /** What there would be after a power cut now. */
  image(cut: PowerCut): Image {
    const found: Image = new Map();
    const visit = (node: DirectoryNode, path: string): void => {
      for (const [name, child] of cut === 'lost' ? node.flushed : node.entries) {
        const childPath = join(path, name);
        if (child.kind === 'directory') {
          found.set(childPath, { node: child, content: undefined });
          visit(child, childPath);
        } else {
          found.set(childPath, {
            node: child,
            content: child.kind === 'link' ? child.target : contentOf(child, cut).toString('latin1'),
          });
        }
      }
    };
    visit(this.#top, '');
    return found;
  }
}

const contentOf = ({ content, flushed }: FileNode, cut: PowerCut): Buffer =>
  cut === 'none' ? content : flushed;

/** Puts an image on the real disk, hard links included. */
export async function restoreImage(image: Image, root: string): Promise<void> {
  const written = new Map<Node, string>();
  for (const [path, { node, content }] of image) {
    const target = join(root, path);
    const twin = written.get(node);
    if (node.kind === 'directory') await mkdir(target);
    else if (node.kind === 'link') await symlink(node.target, target);
    else if (twin !== undefined) await link(twin, target);
    else await writeFile(target, Buffer.from(content ?? '', 'latin1'));
    written.set(node, target);
  }
}

/** Two images with the same fingerprint lead to the same restart. */
export const fingerprint = (image: Image): string =>
  JSON.stringify(
    [...image].map(([path, { content }]) => [path.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'x'), content]),
  );
