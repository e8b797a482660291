import { isPlugferryError } from '../errors.js';
import type { Cursor } from './cursor.js';
import { recorded } from './facts.js';

/** A `producers` section is a few hundred bytes; a larger one is not read. */
export const maxProducersBytes = 64 * 1024;

interface Producer {
  readonly name: string;
  readonly version: string;
}

/**
 * What built the module, from its `producers` section (WebAssembly tool-conventions, ProducersSection): languages, then
 * tools, as in `Rust, rustc 1.92.0 (ded5c06cf 2025-12-08)`.
 *
 * Gateways do not look at this section, so one that is malformed says nothing and refuses nothing.
 */
export function readToolchain(cursor: Cursor): string | undefined {
  let fields: ReadonlyMap<string, readonly Producer[]>;
  try {
    cursor.name();
    fields = readFields(cursor);
  } catch (error) {
    if (isPlugferryError(error)) return undefined;
    throw error;
  }
  const makers = [...(fields.get('language') ?? []), ...(fields.get('processed-by') ?? [])].map(describe);
  return makers.length > 0 ? recorded(makers.join(', ')) : undefined;
}

function readFields(cursor: Cursor): Map<string, Producer[]> {
  const fields = new Map<string, Producer[]>();
  for (let count = cursor.count(); count > 0; count -= 1) {
    const field = cursor.name();
    const values: Producer[] = [];
    for (let left = cursor.count(); left > 0; left -= 1) {
      values.push({ name: cursor.name(), version: cursor.name() });
    }
    fields.set(field, values);
  }
  return fields;
}

/** Go writes its version as `go1.24.1`, behind the language `Go`. */
function describe({ name, version }: Producer): string {
  const plain = version.toLowerCase().startsWith(name.toLowerCase()) ? version.slice(name.length) : version;
  return `${name} ${plain}`.trim();
}
