import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Coder } from '../../src/parts/coder.js';
import { multiply, parityRows, power, repairRows } from '../../src/parts/galois.js';
import { makeKernel } from '../../src/parts/kernel.js';
import { noise } from '../helpers/wasm.js';

const kernel = makeKernel();

/** The sum by definition, byte by byte, against which the fast one is held. */
function plainCombine(rows: readonly Uint8Array[], inputs: Uint8Array, size: number): Uint8Array {
  const outputs = new Uint8Array(rows.length * size);
  rows.forEach((row, output) => {
    row.forEach((factor, input) => {
      for (let at = 0; at < size; at += 1) {
        outputs[output * size + at]! ^= multiply(factor, inputs[input * size + at]!);
      }
    });
  });
  return outputs;
}

/** Every choice of `count` out of the numbers below `total`. */
function choices(total: number, count: number): number[][] {
  if (count === 0) return [[]];
  return Array.from({ length: total }, (_, last) => last).flatMap((last) =>
    choices(last, count - 1).map((rest) => [...rest, last]),
  );
}

describe('the field', () => {
  // Values of the test suites of the Backblaze and klauspost libraries.
  test.each([
    [3, 4, 12],
    [7, 7, 21],
    [23, 45, 41],
  ])('%i times %i is %i', (a, b, product) => {
    expect(multiply(a, b)).toBe(product);
  });

  test.each([
    [2, 2, 4],
    [5, 20, 235],
    [13, 7, 43],
    [0, 0, 1],
    [0, 3, 0],
  ])('%i to the power of %i is %i', (base, exponent, result) => {
    expect(power(base, exponent)).toBe(result);
  });

  test('is one: by the definition of multiplication with carries, and every element but 0 has an inverse', () => {
    for (let a = 0; a < 256; a += 1) {
      const products = new Set<number>();
      for (let b = 0; b < 256; b += 1) {
        let carried = 0;
        for (let bit = 7; bit >= 0; bit -= 1) {
          carried = (carried << 1) ^ (carried & 0x80 ? 0x11d : 0);
          if ((b >> bit) & 1) carried ^= a;
        }
        expect(multiply(a, b)).toBe(carried);
        products.add(carried);
      }
      expect(products.size).toBe(a === 0 ? 1 : 256);
    }
  });
});

describe('the code', () => {
  test('five and five: the vector that Backblaze and klauspost publish', () => {
    const data = Uint8Array.from([0, 1, 4, 5, 2, 3, 6, 7, 8, 9]);
    expect([...kernel(parityRows(5, 5), data, 2)]).toEqual([12, 13, 10, 11, 14, 15, 90, 91, 94, 95]);
  });

  test('gives back everything from any parts that are left, as many as there were data parts: every choice, up to nine', () => {
    const size = 5;
    let tried = 0;
    for (let data = 1; data <= 9; data += 1) {
      for (let parity = 0; data + parity <= 9; parity += 1) {
        const inputs = Uint8Array.from(noise(`${data} ${parity}`, data * size));
        const rows = parityRows(data, parity);
        const all = Buffer.concat([inputs, kernel(rows, inputs, size)]);
        for (const left of choices(data + parity, data)) {
          const lost = Array.from({ length: data }, (_, part) => part).filter((part) => !left.includes(part));
          const there = Buffer.concat(left.map((part) => all.subarray(part * size, (part + 1) * size)));
          const made = kernel(repairRows(rows, left, lost), there, size);
          const expected = Buffer.concat(lost.map((part) => inputs.subarray(part * size, (part + 1) * size)));
          expect(Buffer.from(made).equals(expected), `${data}+${parity}, left ${left.join(' ')}`).toBe(true);
          tried += 1;
        }
      }
    }
    // For n parts 2^n - 1 choices, and n from 1 to 9.
    expect(tried).toBe(1013);
  });

  test('goes up to 255 parts', () => {
    const [data, parity, size] = [200, 55, 3];
    const inputs = Uint8Array.from(noise('large', data * size));
    const rows = parityRows(data, parity);
    const all = Buffer.concat([inputs, kernel(rows, inputs, size)]);
    const lost = Array.from({ length: parity }, (_, at) => at * 3);
    const left = Array.from({ length: 255 }, (_, part) => part).filter((part) => !lost.includes(part));
    const there = Buffer.concat(left.map((part) => all.subarray(part * size, (part + 1) * size)));
    const made = Buffer.from(kernel(repairRows(rows, left, lost), there, size));
    lost.forEach((part, at) => {
      expect([...made.subarray(at * size, (at + 1) * size)]).toEqual([
        ...inputs.subarray(part * size, (part + 1) * size),
      ]);
    });
  });
});

describe('the kernel', () => {
  test('is the sum by definition, for any number of inputs and outputs and lengths beyond a tile', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 11 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(1, 7, 8191, 8192, 8193),
        (count, outputs, size) => {
          const inputs = Uint8Array.from(noise(`${count} ${size}`, count * size));
          const rows = Array.from({ length: outputs }, (_, row) => Uint8Array.from(noise(row, count)));
          const found = Buffer.from(kernel(rows, inputs, size));
          expect(found.equals(plainCombine(rows, inputs, size))).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('does the same on worker threads, several pieces at once, and leaves none running', async () => {
    const coder = new Coder();
    const rows = parityRows(7, 3);
    const size = 20_000;
    const inputs = Array.from({ length: 12 }, (_, at) => Uint8Array.from(noise(at, 7 * size)));
    const expected = inputs.map((each) => Buffer.from(kernel(rows, each, size)));
    const found = await Promise.all(inputs.map((each) => coder.combine(rows, each, size)));
    found.forEach((each, at) => {
      expect(expected[at]!.equals(each)).toBe(true);
    });
    const late = coder.combine(rows, new Uint8Array(7 * size), size);
    const refused = expect(late).rejects.toThrow('closed');
    await coder.close();
    await refused;
  });
});
