import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readUnsigned } from '../../src/wasm/leb.js';
import { leb } from '../helpers/wasm.js';

describe('unsigned LEB128', () => {
  test('every 32-bit number is read back, wherever it stands', () => {
    const property = fc.property(fc.nat(2 ** 32 - 1), fc.uint8Array({ maxLength: 5 }), (value, before) => {
      const bytes = Buffer.concat([before, leb(value)]);
      expect(readUnsigned(bytes, before.length, 32)).toEqual({ value, next: bytes.length });
    });
    fc.assert(property, { seed: 6 });
  });

  test.each([
    ['zero in five bytes', [0x80, 0x80, 0x80, 0x80, 0x00], 32, { value: 0, next: 5 }],
    ['the largest of 32 bits', [0xff, 0xff, 0xff, 0xff, 0x0f], 32, { value: 2 ** 32 - 1, next: 5 }],
    ['the largest of 64 bits', [...new Array<number>(9).fill(0xff), 0x01], 64, { value: 2 ** 64, next: 10 }],
    ['a bit above 32', [0xff, 0xff, 0xff, 0xff, 0x1f], 32, undefined],
    ['a bit above 64', [...new Array<number>(9).fill(0xff), 0x03], 64, undefined],
    ['six bytes for 32 bits', [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 32, undefined],
    ['eleven bytes for 64 bits', [...new Array<number>(10).fill(0x80), 0x00], 64, undefined],
    ['the end in the middle', [0x80], 32, undefined],
    ['nothing', [], 32, undefined],
  ] as const)('%s', (...[, bytes, bits, expected]) => {
    expect(readUnsigned(Buffer.from(bytes), 0, bits)).toEqual(expected);
  });
});
