import type { ByteFeed, Reading } from './byte-feed.js';
import { Cursor } from './cursor.js';
import type { FeatureSet } from './features.js';
import { InstructionWalk } from './instructions.js';
import { partName, type Section } from './sections.js';
import { readValueType } from './value-type.js';

/** Where V8 stops reading a function (`kV8MaxWasmFunctionSize`), in bytes. */
const maxBodyBytes = 7_654_321;
/** A count or size is at most five bytes. */
const longestNumber = 5;

export interface CodeNotes {
  /** How errors call the file. */
  readonly name: string;
  readonly features: FeatureSet;
  /** Told of what no engine takes. */
  readonly flaw: (text: string) => void;
}

/** Walks over the function bodies of a module, one at a time, and notes what an engine must know for them. */
export function* scanCode(feed: ByteFeed, section: Section, notes: CodeNotes): Reading<void> {
  const { name: module, flaw } = notes;
  const part = partName(section.id);
  const left = (): number => section.end - feed.position;
  function* number(): Reading<number> {
    const head = yield* feed.peek(Math.min(longestNumber, left()));
    const cursor = new Cursor(head, { module, part, offset: feed.position });
    const value = cursor.unsigned();
    feed.skip(cursor.consumed);
    return value;
  }
  const bodies = yield* number();
  for (let index = 0; index < bodies; index += 1) {
    const size = left() === 0 ? 0 : yield* number();
    if (size === 0 || size > left()) {
      flaw(`${bodies} function bodies are promised, and number ${index + 1} is cut short`);
      return;
    }
    if (size > maxBodyBytes) {
      flaw(`function body ${index + 1} has ${size} bytes, more than the ${maxBodyBytes} of an engine`);
      return;
    }
    const offset = feed.position;
    const bytes = yield* feed.take(size);
    walkBody(new Cursor(bytes, { module, part, offset }), notes);
  }
  if (left() > 0) flaw(`${part} has ${left()} bytes behind its last body`);
}

function walkBody(cursor: Cursor, { features, flaw }: CodeNotes): void {
  for (let groups = cursor.count(); groups > 0; groups -= 1) {
    cursor.unsigned();
    readValueType(cursor, features);
  }
  const walk = new InstructionWalk(cursor.rest(), 0, features);
  if (!walk.all() && features.unknowns.length === 0) flaw('a function body ends inside an instruction');
}
