import type { Cursor } from './cursor.js';
import type { FeatureSet } from './features.js';
import type { Limits } from './interface.js';

/** Bits of the flags: a maximum is given, shared between threads, 64-bit addresses, a page size is given. */
const bits = { maximum: 0x01, shared: 0x02, wide: 0x04, pageSize: 0x08 } as const;

/** Reads the limits of a memory or of a table. */
export function readLimits(cursor: Cursor, features: FeatureSet): Limits {
  const flags = cursor.byte();
  if (flags > 0x0f) throw cursor.failure(`holds unknown limits (0x${flags.toString(16)})`);
  const has = (bit: number): boolean => (flags & bit) !== 0;
  if (has(bits.shared)) features.add('threads');
  if (has(bits.wide)) features.add('memory64');
  const width = has(bits.wide) ? 64 : 32;
  const minimum = cursor.unsigned(width);
  const maximum = has(bits.maximum) ? cursor.unsigned(width) : undefined;
  if (has(bits.pageSize)) {
    features.add('custom-page-sizes');
    cursor.unsigned();
  }
  return {
    minimum,
    ...(maximum === undefined ? {} : { maximum }),
    shared: has(bits.shared),
    wide: has(bits.wide),
  };
}
