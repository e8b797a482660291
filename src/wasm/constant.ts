/** Opcodes of constant expressions that give a whole number (WebAssembly core specification 3.0, "Constant Expressions"). */
const codes = { i32: 0x41, i64: 0x42, end: 0x0b } as const;

type Operation = (left: bigint, right: bigint) => bigint;
const add: Operation = (left, right) => left + right;
const subtract: Operation = (left, right) => left - right;
const multiply: Operation = (left, right) => left * right;

const operations: ReadonlyMap<number, Operation> = new Map([
  [0x6a, add],
  [0x6b, subtract],
  [0x6c, multiply],
  [0x7c, add],
  [0x7d, subtract],
  [0x7e, multiply],
]);

/** Whether an opcode came to constant expressions with the proposal "extended-const". */
export const isExtended = (code: number): boolean => operations.has(code);

/**
 * The address that a constant expression gives.
 *
 * @param bytes the expression with its end, and whatever is behind it.
 * @param bits of the address.
 * @returns undefined where it does not consist of numbers alone.
 */
export function constantAddress(bytes: Uint8Array, bits: 32 | 64): bigint | undefined {
  const stack: bigint[] = [];
  for (let at = 0; at < bytes.length;) {
    const code = bytes[at++] ?? codes.end;
    if (code === codes.end) return stack.length === 1 ? BigInt.asUintN(bits, stack[0] ?? 0n) : undefined;
    if (code === codes.i32 || code === codes.i64) {
      let value = 0n;
      let shift = 0n;
      for (let more = true; more; shift += 7n) {
        const byte = bytes[at++] ?? 0;
        value |= BigInt(byte & 0x7f) << shift;
        more = byte >= 0x80;
        if (!more && (byte & 0x40) !== 0) value -= 1n << (shift + 7n);
      }
      stack.push(value);
      continue;
    }
    const operation = operations.get(code);
    const [right, left] = [stack.pop(), stack.pop()];
    if (operation === undefined || left === undefined || right === undefined) return undefined;
    stack.push(BigInt.asUintN(64, operation(left, right)));
  }
  return undefined;
}
