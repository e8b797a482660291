import type { FileHandle } from 'node:fs/promises';
import type { ModuleFacts } from '../schema/manifest.js';
import type { Cursor } from './cursor.js';
import { noExports, readExports } from './exports.js';
import { checkHeader } from './header.js';
import { readImports } from './imports.js';
import { ModuleFile } from './module-file.js';
import { maxProducersBytes, readToolchain } from './producers.js';
import { countOf, partName, readSections, sectionIds, type Section } from './sections.js';
import { readTypes } from './types.js';
import { unloadable } from './unloadable.js';

export { isModuleHeader } from './header.js';

/**
 * Most bytes of a section that is read whole (types, imports, exports). A manifest holds 4 MiB in all, so what is larger
 * could not travel anyway.
 */
const maxParsedBytes = 4 * 1024 * 1024;

/**
 * What a module asks of a gateway, read from its sections. Nothing is compiled or run, and only small pieces are in
 * memory at a time; function bodies and data are not looked at.
 *
 * @param file an open file; its position is not moved, and it is not closed.
 * @param name how errors call the file.
 * @throws PlugferryError `E_WASM` when a gateway could not load the file, `E_IO` or `E_SOURCE_CHANGED` when it cannot be
 *   read to its end.
 */
export async function readModule(file: FileHandle, name: string): Promise<ModuleFacts> {
  const module = await ModuleFile.of(file, name);
  await checkHeader(module);
  const sections = await readSections(module);
  await checkCounts(module, sections);
  const types = (await parsed(module, sections, { id: sectionIds.type, read: readTypes })) ?? 0;
  const imports = await parsed(module, sections, {
    id: sectionIds.import,
    read: (cursor) => readImports(cursor, types),
  });
  const exported = await parsed(module, sections, { id: sectionIds.export, read: readExports });
  const toolchain = await toolchainOf(module, sections);
  const { abi, start, exports } = exported ?? noExports;
  return { abi, start, ...(toolchain === undefined ? {} : { toolchain }), imports: imports ?? [], exports };
}

interface Parser<Result> {
  readonly id: number;
  readonly read: (cursor: Cursor) => Result;
}

const find = (sections: readonly Section[], id: number): Section | undefined =>
  sections.find((section) => section.id === id);

async function parsed<Result>(
  module: ModuleFile,
  sections: readonly Section[],
  { id, read }: Parser<Result>,
): Promise<Result | undefined> {
  const section = find(sections, id);
  if (section === undefined) return undefined;
  if (section.end - section.start > maxParsedBytes) {
    throw unloadable(module.name, `${partName(id)} is larger than ${maxParsedBytes} bytes`);
  }
  const cursor = await module.cursor(section, partName(id));
  const result = read(cursor);
  cursor.end();
  return result;
}

/** Pairs of sections that count the same things; engines refuse a module in which they disagree. */
async function checkCounts(module: ModuleFile, sections: readonly Section[]): Promise<void> {
  const functions = await countOf(module, find(sections, sectionIds.function));
  const bodies = await countOf(module, find(sections, sectionIds.code));
  if (functions !== bodies) {
    throw unloadable(module.name, `${functions} functions are declared, but ${bodies} bodies are there`);
  }
  const announced = find(sections, sectionIds.dataCount);
  if (announced === undefined) return;
  const expected = await countOf(module, announced);
  const found = await countOf(module, find(sections, sectionIds.data));
  if (expected !== found) {
    throw unloadable(module.name, `${expected} data segments are announced, but ${found} are there`);
  }
}

async function toolchainOf(module: ModuleFile, sections: readonly Section[]): Promise<string | undefined> {
  const section = sections.find(({ name }) => name === 'producers');
  if (section === undefined || section.end - section.start > maxProducersBytes) return undefined;
  return readToolchain(await module.cursor(section, 'the producers section'));
}
