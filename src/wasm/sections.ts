import type { ByteFeed, Reading } from './byte-feed.js';
import { Cursor } from './cursor.js';
import { unloadable } from './unloadable.js';

/** The head of a section: its id, and where its body is. */
export interface Section {
  readonly id: number;
  /** Offset of the body in the file. */
  readonly start: number;
  readonly end: number;
}

/** Section ids of the WebAssembly core specification 3.0 ("Modules", "Sections"). */
export const sectionIds = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** In the order in which they must stand, which is not that of their numbers: tag is 13, data count is 12. */
const order: readonly (readonly [id: number, name: string])[] = [
  [sectionIds.type, 'type'],
  [sectionIds.import, 'import'],
  [sectionIds.function, 'function'],
  [sectionIds.table, 'table'],
  [sectionIds.memory, 'memory'],
  [sectionIds.tag, 'tag'],
  [sectionIds.global, 'global'],
  [sectionIds.export, 'export'],
  [sectionIds.start, 'start'],
  [sectionIds.element, 'element'],
  [sectionIds.dataCount, 'data count'],
  [sectionIds.code, 'code'],
  [sectionIds.data, 'data'],
];

/** How errors call a section. */
export function partName(id: number): string {
  if (id === sectionIds.custom) return 'the custom section';
  const name = order.find(([known]) => known === id)?.[1];
  return name === undefined ? `section ${id}` : `the ${name} section`;
}

/** A hostile module could hold 85 million. Real ones hold some 30. */
const maxSections = 1024;

/** Id, and a size of at most five bytes. */
const longestSectionHeader = 6;

/** Checks that the sections of a module are known, inside the file, each at most once, and in their order. */
export class SectionOrder {
  readonly #name: string;
  #rank = -1;
  #count = 0;

  /** @param name how errors call the file. */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Reads the head of the next section, and leaves the feed at its body.
   *
   * @throws PlugferryError `E_WASM`.
   */
  *next(feed: ByteFeed): Reading<Section> {
    if (this.#count === maxSections) throw unloadable(this.#name, `more than ${maxSections} sections`);
    this.#count += 1;
    const position = feed.position;
    const head = yield* feed.peek(longestSectionHeader);
    const cursor = new Cursor(head, { module: this.#name, part: 'a section header', offset: position });
    const id = cursor.byte();
    const size = cursor.unsigned();
    feed.skip(cursor.consumed);
    const start = position + cursor.consumed;
    if (start + size > feed.size) {
      const found = `${partName(id)} at byte ${position} is cut short`;
      throw unloadable(this.#name, `${found}: ${size} bytes promised, ${feed.size - start} there`);
    }
    if (id !== sectionIds.custom) this.#rank = this.#rankOf(id, start);
    return { id, start, end: start + size };
  }

  #rankOf(id: number, start: number): number {
    const next = order.findIndex(([known]) => known === id);
    if (next === -1) throw unloadable(this.#name, `unknown section ${id} before byte ${start}`);
    if (next > this.#rank) return next;
    const trouble =
      next === this.#rank ? 'stands twice' : `stands behind ${partName(order[this.#rank]?.[0] ?? 0)}`;
    throw unloadable(this.#name, `${partName(id)} ${trouble} (before byte ${start})`);
  }
}

/** How much of a module is read. */
export interface ScanOptions {
  /** Function bodies, too: for the features of an engine that they use. */
  readonly code: boolean;
}
