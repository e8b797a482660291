import type { ByteFeed, Reading } from './byte-feed.js';
import { scanCode } from './code.js';
import { Cursor } from './cursor.js';
import { CustomSections } from './custom.js';
import { exportFacts, readExports } from './exports.js';
import { maxJudgedBytes } from './engine.js';
import { FeatureSet } from './features.js';
import { formFlaws } from './form.js';
import { readHeader } from './header.js';
import { importFacts, readImports } from './imports.js';
import { IndexSpaces } from './index-spaces.js';
import type { ModuleReading, TypedExport, TypedImport } from './interface.js';
import { partName, type ScanOptions, type Section, sectionIds, SectionOrder } from './sections.js';
import { scanData, scanElements } from './segments.js';
import { noTypes, readTypes, type TypeTable } from './types.js';
import { unloadable } from './unloadable.js';

/**
 * Most bytes of a section that is read whole. A manifest holds 4 MiB in all, so names beyond that could not travel anyway, and an
 * engine stops at a million functions.
 */
const maxParsedBytes = 4 * 1024 * 1024;

/** A count is at most five bytes. */
const longestCount = 5;

/** Reads a module front to back: what it asks of a gateway. */
export class Scan {
  readonly #feed: ByteFeed;
  readonly #name: string;
  readonly #options: ScanOptions;
  readonly #features = new FeatureSet();
  readonly #custom: CustomSections;
  readonly #counts = new Map<number, number>();
  readonly #flaws: string[] = [];
  readonly #overruns: string[] = [];
  #types: TypeTable = noTypes;
  #imports: readonly TypedImport[] = [];
  #exports: readonly TypedExport[] = [];
  #spaces: IndexSpaces;

  /** @param name how errors call the file. */
  constructor(feed: ByteFeed, name: string, options: ScanOptions) {
    this.#feed = feed;
    this.#name = name;
    this.#options = options;
    this.#custom = new CustomSections(name, options);
    this.#spaces = new IndexSpaces(noTypes, [], this.#features);
  }

  /** @throws PlugferryError `E_WASM` when a gateway could not load the file. */
  *run(): Reading<ModuleReading> {
    yield* readHeader(this.#feed, this.#name);
    const order = new SectionOrder(this.#name);
    while (this.#feed.position < this.#feed.size) {
      const section = yield* order.next(this.#feed);
      yield* this.#section(section);
      this.#feed.skip(section.end - this.#feed.position);
    }
    this.#checkCounts();
    if (this.#spaces.memories.length > 1) this.#features.add('multi-memory');
    const { toolchain, flaw } = this.#custom;
    const { abi, start, exports } = exportFacts(this.#exports);
    return {
      facts: {
        abi,
        start,
        ...(toolchain === undefined ? {} : { toolchain }),
        imports: importFacts(this.#imports),
        exports,
      },
      asks: {
        imports: this.#imports,
        exports: this.#exports,
        memories: this.#spaces.memories,
        features: this.#features.names,
        unknown: this.#features.unknowns,
        flaws: [
          ...this.#flaws,
          ...formFlaws(this.#spaces, this.#exports),
          ...(flaw === undefined ? [] : [flaw]),
        ],
        overruns: this.#overruns,
      },
    };
  }

  *#section(section: Section): Reading<void> {
    switch (section.id) {
      case sectionIds.custom:
        return yield* this.#custom.read(this.#feed, section);
      case sectionIds.code:
        this.#counts.set(section.id, yield* this.#count(section));
        return yield* this.#code(section);
      case sectionIds.data:
        this.#counts.set(section.id, yield* this.#count(section));
        return yield* this.#segments(section, scanData);
      case sectionIds.dataCount:
        this.#counts.set(section.id, yield* this.#count(section));
        return;
      case sectionIds.element:
        return yield* this.#segments(section, scanElements);
      case sectionIds.start:
        return;
      default:
        return yield* this.#parsed(section);
    }
  }

  *#code(section: Section): Reading<void> {
    if (!this.#options.code) return;
    const features = new FeatureSet();
    const flaw = (text: string): void => void this.#flaws.push(text);
    yield* scanCode(this.#feed, section, { name: this.#name, features, flaw });
    // V8 has both, and takes one of them in a module; types alone do not count.
    if (features.has('exceptions') && features.has('legacy-exceptions'))
      flaw('its functions use both the exceptions of WebAssembly 3.0 and the older ones');
    this.#features.join(features);
  }

  *#segments(section: Section, scan: typeof scanData): Reading<void> {
    if (!this.#options.code || section.end - section.start > maxJudgedBytes) return;
    const place = { module: this.#name, part: partName(section.id), offset: section.start };
    scan(new Cursor(yield* this.#feed.take(section.end - section.start), place), {
      name: this.#name,
      spaces: this.#spaces,
      features: this.#features,
      flaw: (text) => this.#flaws.push(text),
      overrun: (text) => this.#overruns.push(text),
    });
  }

  *#parsed(section: Section): Reading<void> {
    const part = partName(section.id);
    const size = section.end - section.start;
    if (size > maxParsedBytes) throw unloadable(this.#name, `${part} is larger than ${maxParsedBytes} bytes`);
    const bytes = yield* this.#feed.take(size);
    const cursor = new Cursor(bytes, { module: this.#name, part, offset: section.start });
    this.#parse(section, cursor);
    cursor.end();
  }

  #parse({ id }: Section, cursor: Cursor): void {
    switch (id) {
      case sectionIds.type:
        this.#types = readTypes(cursor, this.#features);
        this.#spaces = new IndexSpaces(this.#types, [], this.#features);
        return;
      case sectionIds.import:
        this.#imports = readImports(cursor, this.#types, this.#features);
        this.#spaces = new IndexSpaces(this.#types, this.#imports, this.#features);
        return;
      case sectionIds.function:
        this.#counts.set(id, this.#spaces.functions(cursor));
        return;
      case sectionIds.table:
        this.#spaces.tables(cursor);
        return;
      case sectionIds.memory:
        this.#spaces.memoriesOf(cursor);
        return;
      case sectionIds.tag:
        this.#spaces.tags(cursor);
        return;
      case sectionIds.global:
        this.#spaces.globals(cursor);
        return;
      default:
        this.#exports = readExports(cursor, this.#spaces, this.#features);
    }
  }

  *#count({ id, start, end }: Section): Reading<number> {
    const head = yield* this.#feed.peek(Math.min(longestCount, end - start));
    return new Cursor(head, { module: this.#name, part: partName(id), offset: start }).unsigned();
  }

  /** Pairs of sections that count the same things; engines refuse a module in which they disagree. */
  #checkCounts(): void {
    const count = (id: number): number => this.#counts.get(id) ?? 0;
    const [functions, bodies] = [count(sectionIds.function), count(sectionIds.code)];
    if (functions !== bodies) {
      throw unloadable(this.#name, `${functions} functions are declared, but ${bodies} bodies are there`);
    }
    const expected = this.#counts.get(sectionIds.dataCount);
    const found = count(sectionIds.data);
    if (expected !== undefined && expected !== found) {
      throw unloadable(this.#name, `${expected} data segments are announced, but ${found} are there`);
    }
  }
}
