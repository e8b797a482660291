/** `combine(rows, inputs, size)`, see {@link makeKernel}. */
export type Kernel = (rows: readonly Uint8Array[], inputs: Uint8Array, size: number) => Uint8Array;

/**
 * Makes the function that all coding time goes into: output `j` is the sum over `i` of `rows[j][i]` times input `i`, byte by
 * byte in GF(2^8). The inputs stand one behind the other, each of `size` bytes; so do the outputs.
 *
 * Worker threads run the source text of this function (see `coder.ts`), which is how the program stays one file: it must not
 * refer to anything outside itself. Four outputs are looked up at a time, packed in one word, for four inputs at a time, in
 * tiles that stay within the first-level cache.
 */
export function makeKernel(): Kernel {
  const tile = 8192;
  const exponentials = new Uint8Array(510);
  const logarithms = new Uint8Array(256);
  for (let power = 0, value = 1; power < 255; power += 1) {
    exponentials[power] = value;
    exponentials[power + 255] = value;
    logarithms[value] = power;
    value = value < 128 ? value << 1 : (value << 1) ^ 0x11d;
  }
  const sums = new Int32Array(tile);

  /** An input, and what each of its values adds to up to four outputs. */
  type Lane = readonly [input: Uint8Array, table: Int32Array];
  const nothing: Lane = [new Uint8Array(tile), new Int32Array(256)];

  const tableOf = (coefficients: readonly number[]): Int32Array => {
    const product = (a: number, b: number): number =>
      a === 0 || b === 0 ? 0 : (exponentials[(logarithms[a] ?? 0) + (logarithms[b] ?? 0)] ?? 0);
    const packed = (value: number): number =>
      coefficients.reduce((word, coefficient, lane) => word | (product(coefficient, value) << (8 * lane)), 0);
    return Int32Array.from({ length: 256 }, (_, value) => packed(value));
  };

  // Every index is within its array; saying so costs nothing, a default would.
  const addFour = ([a, s]: Lane, [b, t]: Lane, [[c, u], [d, v]]: readonly [Lane, Lane]): void => {
    for (let at = 0; at < a.length; at += 1) {
      const first = (s[a[at] as number] as number) ^ (t[b[at] as number] as number);
      const second = (u[c[at] as number] as number) ^ (v[d[at] as number] as number);
      sums[at] = (sums[at] as number) ^ first ^ second;
    }
  };

  return (rows, inputs, size) => {
    const count = inputs.length / size;
    const outputs = new Uint8Array(rows.length * size);
    for (let first = 0; first < rows.length; first += 4) {
      const group = rows.slice(first, first + 4);
      const tables = Array.from({ length: count }, (_, at) => tableOf(group.map((row) => row[at] ?? 0)));
      for (let from = 0; from < size; from += tile) {
        const to = Math.min(size, from + tile);
        const lanes = tables.map((table, at): Lane => [
          inputs.subarray(at * size + from, at * size + to),
          table,
        ]);
        sums.fill(0);
        for (let at = 0; at < count; at += 4) {
          const [a = nothing, b = nothing, c = nothing, d = nothing] = lanes.slice(at, at + 4);
          addFour(a, b, [c, d]);
        }
        group.forEach((_row, index) => {
          const start = (first + index) * size;
          const output = outputs.subarray(start + from, start + to);
          for (let at = 0; at < output.length; at += 1) output[at] = (sums[at] as number) >>> (8 * index);
        });
      }
    }
    return outputs;
  };
}
