import { headerLength } from './header.js';
import type { ModuleFile, Range } from './module-file.js';
import { unloadable } from './unloadable.js';

/** A section of a module: its id, the range of its body and, for a custom section, its name. */
export interface Section extends Range {
  readonly id: number;
  readonly name?: string;
}

/** Section ids of the WebAssembly core specification 3.0 ("Modules", "Sections") that are read here. */
export const sectionIds = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  export: 7,
  code: 10,
  data: 11,
  dataCount: 12,
} as const;

/** In the order in which they must stand, which is not that of their numbers: tag is 13, data count is 12. */
const order: readonly (readonly [id: number, name: string])[] = [
  [sectionIds.type, 'type'],
  [sectionIds.import, 'import'],
  [sectionIds.function, 'function'],
  [4, 'table'],
  [5, 'memory'],
  [13, 'tag'],
  [6, 'global'],
  [sectionIds.export, 'export'],
  [8, 'start'],
  [9, 'element'],
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

/** Each section costs a few reads, and a hostile module could hold 85 million. Real ones hold some 30. */
const maxSections = 1024;
/** Where V8, the engine of the gateway, stops reading a name: 100,000 bytes. */
const maxCustomNameBytes = 100_000;
/** Id, and a size of at most five bytes. */
const longestSectionHeader = 6;
const longestCount = 5;

/**
 * Walks from section to section without reading their bodies: ids known, sizes inside the file, each kind at most once
 * and in order, nothing behind the last.
 *
 * @throws PlugferryError `E_WASM`.
 */
export async function readSections(file: ModuleFile): Promise<Section[]> {
  const sections: Section[] = [];
  let rank = -1;
  for (let position = headerLength; position < file.size;) {
    if (sections.length === maxSections) throw unloadable(file.name, `more than ${maxSections} sections`);
    const section = await readSection(file, position);
    rank = section.id === sectionIds.custom ? rank : nextRank(file, rank, section);
    sections.push(section);
    position = section.end;
  }
  return sections;
}

async function readSection(file: ModuleFile, position: number): Promise<Section> {
  const range = { start: position, end: Math.min(file.size, position + longestSectionHeader) };
  const cursor = await file.cursor(range, 'a section header');
  const id = cursor.byte();
  const size = cursor.unsigned();
  const start = position + cursor.consumed;
  const end = start + size;
  if (end > file.size) {
    const found = `${partName(id)} at byte ${position} is cut short`;
    throw unloadable(file.name, `${found}: ${size} bytes promised, ${file.size - start} there`);
  }
  return id === sectionIds.custom
    ? { id, start, end, name: await customName(file, { start, end }) }
    : { id, start, end };
}

function nextRank(file: ModuleFile, rank: number, { id, start }: Section): number {
  const next = order.findIndex(([known]) => known === id);
  if (next === -1) throw unloadable(file.name, `unknown section ${id} before byte ${start}`);
  if (next > rank) return next;
  const trouble = next === rank ? 'stands twice' : `stands behind ${partName(order[rank]?.[0] ?? 0)}`;
  throw unloadable(file.name, `${partName(id)} ${trouble} (before byte ${start})`);
}

async function customName(file: ModuleFile, { start, end }: Range): Promise<string> {
  const part = partName(sectionIds.custom);
  const head = await file.cursor({ start, end: Math.min(end, start + longestCount) }, part);
  const length = head.unsigned();
  if (length > maxCustomNameBytes) throw head.failure(`has a name of ${length} bytes`);
  const named = Math.min(end, start + head.consumed + length);
  return (await file.cursor({ start, end: named }, part)).name();
}

/** The number of entries of a section that is a vector; 0 when it is absent. */
export async function countOf(file: ModuleFile, section: Section | undefined): Promise<number> {
  if (section === undefined) return 0;
  const range = { start: section.start, end: Math.min(section.end, section.start + longestCount) };
  return (await file.cursor(range, partName(section.id))).unsigned();
}
