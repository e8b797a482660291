/** A number and the index of the first byte behind it. */
export interface Decoded {
  /** Exact up to 2^53; a larger one only says that the encoding was good. */
  readonly value: number;
  readonly next: number;
}

/**
 * Reads an unsigned LEB128 of at most `bits` bits (WebAssembly core specification, "Integers": no more than ceil(bits / 7)
 * bytes, and no bit set above `bits`).
 *
 * @returns undefined when the bytes end too early or say more than fits.
 */
export function readUnsigned(bytes: Uint8Array, start: number, bits: 32 | 64): Decoded | undefined {
  let value = 0;
  for (let index = 0; ; index += 1) {
    const byte = bytes[start + index];
    const room = bits - 7 * index;
    if (byte === undefined || (room < 8 && byte >= 2 ** room)) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, next: start + index + 1 };
  }
}
