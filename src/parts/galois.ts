/**
 * Reed-Solomon erasure coding over GF(2^8): the field with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and generator 2,
 * and a systematic code from a Vandermonde matrix. That is the same code as that of the Backblaze and klauspost libraries,
 * whose published vectors the tests use. Everything here is small and pure; `kernel.ts` does it to many bytes.
 */

/** Most parts, of data and parity together: each needs a point of its own in the field. */
export const maxParts = 255;

/** Coefficients, row by row. */
export type Matrix = readonly Uint8Array[];

const exponentials = new Uint8Array(510);
const logarithms = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power += 1) {
  exponentials[power] = value;
  exponentials[power + 255] = value;
  logarithms[value] = power;
  value = value < 128 ? value << 1 : (value << 1) ^ 0x11d;
}

const exponential = (power: number): number => exponentials[power] ?? 0;
const logarithm = (value: number): number => logarithms[value] ?? 0;

/** The product of two field elements. */
export const multiply = (a: number, b: number): number =>
  a === 0 || b === 0 ? 0 : exponential(logarithm(a) + logarithm(b));

/** `base` to the power of `exponent`; 0 to the power of 0 is 1. */
export function power(base: number, exponent: number): number {
  if (exponent === 0) return 1;
  return base === 0 ? 0 : exponential((logarithm(base) * exponent) % 255);
}

const invert = (value: number): number => exponential(255 - logarithm(value));

/**
 * The rows that make parity out of data. With the identity above them, any `data` rows can be inverted: so whichever parts
 * are left, as many as there were data parts give back everything.
 */
export function parityRows(data: number, parity: number): Matrix {
  const vandermonde = (from: number, to: number): Matrix =>
    Array.from({ length: to - from }, (_, row) =>
      Uint8Array.from({ length: data }, (_unused, column) => power(from + row, column)),
    );
  const inverse = inverseOf(vandermonde(0, data));
  return vandermonde(data, data + parity).map((row) => rowTimes(row, inverse));
}

/**
 * The rows that make the lost data parts out of the parts that are left.
 *
 * @param left as many numbers of parts, counted from 0, as there are data parts; those from `data` on are parity.
 * @param lost numbers of data parts.
 */
export function repairRows(parity: Matrix, left: readonly number[], lost: readonly number[]): Matrix {
  const data = left.length;
  const present = left.map((part) => parity[part - data] ?? unit(data, part));
  const inverse = inverseOf(present);
  return lost.map((part) => inverse[part] ?? new Uint8Array(data));
}

function unit(length: number, one: number): Uint8Array {
  const row = new Uint8Array(length);
  row[one] = 1;
  return row;
}

function rowTimes(row: Uint8Array, matrix: Matrix): Uint8Array {
  const product = new Uint8Array(row.length);
  matrix.forEach((factors, index) => {
    addScaled(product, factors, row[index] ?? 0);
  });
  return product;
}

/** `target += source * factor`; adding and subtracting are the same. */
function addScaled(target: Uint8Array, source: Uint8Array, factor: number): void {
  for (let at = 0; at < target.length; at += 1) {
    target[at] = (target[at] ?? 0) ^ multiply(source[at] ?? 0, factor);
  }
}

/** By Gauss and Jordan. Only for matrices that have an inverse, which all those made here have. */
function inverseOf(matrix: Matrix): Matrix {
  const size = matrix.length;
  const rows = matrix.map((row, index) => Uint8Array.from([...row, ...unit(size, index)]));
  for (let column = 0; column < size; column += 1) {
    const found = rows.findIndex((row, index) => index >= column && row[column] !== 0);
    const pivot = rows[found];
    const first = rows[column];
    if (pivot === undefined || first === undefined) throw new Error('the matrix has no inverse');
    rows[found] = first;
    rows[column] = pivot;
    const scale = invert(pivot[column] ?? 0);
    pivot.forEach((value, at) => (pivot[at] = multiply(value, scale)));
    rows.forEach((row, index) => {
      if (index !== column) addScaled(row, pivot, row[column] ?? 0);
    });
  }
  return rows.map((row) => row.subarray(size));
}
