import { isExtended } from './constant.js';
import type { Feature, FeatureSet } from './features.js';
import { readUnsigned } from './leb.js';

/** What follows an opcode (WebAssembly core specification 3.0, "Instructions"); letters for one immediate each. */
type Shape = string;

/**
 * Immediates: `u` an unsigned or signed LEB128, `m` a memory argument, `b` a block type, `1`, `4`, `8`, `g` that many bytes (g is
 * sixteen), `v` a vector of value types, `l` a vector of labels, `c` a vector of catch clauses, `h` a heap type.
 */
interface Instruction {
  readonly shape: Shape;
  readonly feature?: Feature | undefined;
}

const table = (
  rows: readonly [from: number, to: number, shape: Shape, feature?: Feature][],
): Instruction[] => {
  const instructions: Instruction[] = [];
  for (const [from, to, shape, feature] of rows)
    for (let code = from; code <= to; code += 1) instructions[code] = { shape, feature };
  return instructions;
};

const plain = table([
  [0x00, 0x01, ''],
  [0x02, 0x04, 'b'],
  [0x05, 0x05, ''],
  [0x06, 0x06, 'b', 'legacy-exceptions'],
  [0x07, 0x07, 'u', 'legacy-exceptions'],
  [0x08, 0x08, 'u'],
  [0x09, 0x09, 'u', 'legacy-exceptions'],
  [0x0a, 0x0a, '', 'exceptions'],
  [0x0b, 0x0b, ''],
  [0x0c, 0x0d, 'u'],
  [0x0e, 0x0e, 'lu'],
  [0x0f, 0x0f, ''],
  [0x10, 0x10, 'u'],
  [0x11, 0x11, 'uu'],
  [0x12, 0x12, 'u', 'tail-call'],
  [0x13, 0x13, 'uu', 'tail-call'],
  [0x14, 0x14, 'u', 'function-references'],
  [0x15, 0x15, 'u', 'function-references'],
  [0x18, 0x18, 'u', 'legacy-exceptions'],
  [0x19, 0x19, '', 'legacy-exceptions'],
  [0x1a, 0x1b, ''],
  [0x1c, 0x1c, 'v', 'reference-types'],
  [0x1f, 0x1f, 'bc', 'exceptions'],
  [0x20, 0x24, 'u'],
  [0x25, 0x26, 'u', 'reference-types'],
  [0x28, 0x3e, 'm'],
  [0x3f, 0x40, 'i'],
  [0x41, 0x42, 'u'],
  [0x43, 0x43, '4'],
  [0x44, 0x44, '8'],
  [0x45, 0xbf, ''],
  [0xc0, 0xc4, '', 'sign-extension'],
  [0xd0, 0xd0, 'h', 'reference-types'],
  [0xd1, 0xd1, '', 'reference-types'],
  [0xd2, 0xd2, 'u', 'reference-types'],
  [0xd3, 0xd3, '', 'gc'],
  [0xd4, 0xd4, '', 'function-references'],
  [0xd5, 0xd6, 'u', 'function-references'],
  [0xe0, 0xe1, 'u', 'stack-switching'],
]);

/** Behind 0xfb: structs, arrays, casts. */
const gc = table([
  [0, 1, 'u', 'gc'],
  [2, 5, 'uu', 'gc'],
  [6, 7, 'u', 'gc'],
  [8, 10, 'uu', 'gc'],
  [11, 14, 'u', 'gc'],
  [15, 15, '', 'gc'],
  [16, 16, 'u', 'gc'],
  [17, 19, 'uu', 'gc'],
  [20, 23, 'h', 'gc'],
  [24, 25, '1uhh', 'gc'],
  [26, 30, '', 'gc'],
]);

/** Behind 0xfc: saturating conversions, bulk memory, tables. */
const numeric = table([
  [0, 7, '', 'saturating-float-to-int'],
  [8, 8, 'ui', 'bulk-memory'],
  [9, 9, 'u', 'bulk-memory'],
  [10, 10, 'ii', 'bulk-memory'],
  [11, 11, 'i', 'bulk-memory'],
  [12, 12, 'uu', 'bulk-memory'],
  [13, 13, 'u', 'bulk-memory'],
  [14, 14, 'uu', 'bulk-memory'],
  [15, 17, 'u', 'reference-types'],
  [18, 18, 'i', 'memory-control'],
  [19, 22, '', 'wide-arithmetic'],
]);

/** Behind 0xfd: vectors; the relaxed ones from 0x100, those of half precision from 0x114. */
const vector = table([
  [0, 11, 'm', 'simd'],
  [12, 13, 'g', 'simd'],
  [14, 20, '', 'simd'],
  [21, 34, '1', 'simd'],
  [35, 83, '', 'simd'],
  [84, 91, 'm1', 'simd'],
  [92, 93, 'm', 'simd'],
  [94, 255, '', 'simd'],
  [0x100, 0x113, '', 'relaxed-simd'],
  [0x120, 0x14f, '', 'half-precision'],
]);

/** Behind 0xfe: atomic access. */
const atomic = table([
  [0, 2, 'm', 'threads'],
  [3, 3, '1', 'threads'],
  [0x10, 0x4e, 'm', 'threads'],
]);

const prefixed: ReadonlyMap<number, readonly Instruction[]> = new Map([
  [0xfb, gc],
  [0xfc, numeric],
  [0xfd, vector],
  [0xfe, atomic],
]);

const end = 0x0b;
const globalGet = 0x23;

/** Walks over instructions and notes the features that they belong to. Nothing is validated: that is an engine's work. */
export class InstructionWalk {
  readonly #bytes: Uint8Array;
  readonly #features: FeatureSet;
  #at: number;

  constructor(bytes: Uint8Array, at: number, features: FeatureSet) {
    this.#bytes = bytes;
    this.#at = at;
    this.#features = features;
  }

  /** Offset of the next byte; one beyond the bytes says that an instruction was cut short. */
  get at(): number {
    return this.#at;
  }

  /** Up to the last byte. @returns false where an instruction is not known, or is cut short. */
  all(): boolean {
    while (this.#at < this.#bytes.length) if (this.#next() === undefined) return false;
    return this.#at === this.#bytes.length;
  }

  /**
   * Up to the first `end`, as that of a constant expression.
   *
   * @param importedGlobals how many globals come before those of the module itself.
   * @returns false as {@link all}, and where there is no end.
   */
  constant(importedGlobals: number): boolean {
    for (;;) {
      const start = this.#at;
      const code = this.#next();
      // Garbage collection also let a constant read a global that the module defines.
      if (code === globalGet && (readUnsigned(this.#bytes, start + 1, 32)?.value ?? 0) >= importedGlobals)
        this.#features.add('gc');
      if (code === undefined || this.#at > this.#bytes.length) return false;
      if (code === end) return true;
      if (isExtended(code)) this.#features.add('extended-const');
    }
  }

  /** @returns the opcode without what is behind a prefix; undefined for none that is known. */
  #next(): number | undefined {
    const code = this.#bytes[this.#at++];
    if (code === undefined) return undefined;
    const group = prefixed.get(code);
    const sub = group === undefined ? code : this.#unsigned();
    const instruction = (group ?? plain)[sub];
    if (instruction === undefined) {
      // A number behind the end is no instruction at all.
      if (this.#at <= this.#bytes.length)
        this.#features.unknown(
          `instruction 0x${code.toString(16)}${group === undefined ? '' : ` 0x${sub.toString(16)}`}`,
        );
      return undefined;
    }
    if (instruction.feature !== undefined) this.#features.add(instruction.feature);
    // A tail call through a reference belongs to both.
    if (code === 0x15) this.#features.add('tail-call');
    for (const immediate of instruction.shape) this.#immediate(immediate);
    return code;
  }

  #immediate(kind: string): void {
    switch (kind) {
      case 'u':
        this.#skipNumber();
        return;
      case 'i':
        if (this.#unsigned() > 0) this.#features.add('multi-memory');
        return;
      case 'm':
        this.#memoryArgument();
        return;
      case 'b':
        this.#blockType();
        return;
      case 'h':
        this.#heapType();
        return;
      case 'v':
        for (let count = this.#count(); count > 0; count -= 1) this.#valueType();
        return;
      case 'l':
        for (let count = this.#count(); count > 0; count -= 1) this.#skipNumber();
        return;
      case 'c':
        for (let count = this.#count(); count > 0; count -= 1) this.#catchClause();
        return;
      default:
        this.#at += kind === 'g' ? 16 : Number(kind);
    }
  }

  #skipNumber(): void {
    while ((this.#bytes[this.#at++] ?? 0) >= 0x80);
  }

  #unsigned(): number {
    let value = 0;
    for (let place = 1; ; place *= 128) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * place;
      if (byte < 0x80) return value;
    }
  }

  /** Each entry takes a byte: no more of them than there are bytes left, one more to notice that they are cut short. */
  #count(): number {
    return Math.min(this.#unsigned(), Math.max(0, this.#bytes.length - this.#at + 1));
  }

  /** Bit 6 of the alignment: the number of the memory follows. */
  #memoryArgument(): void {
    const alignment = this.#unsigned();
    if ((alignment & 0x40) !== 0 && this.#unsigned() > 0) this.#features.add('multi-memory');
    this.#skipNumber();
  }

  /** Nothing (0x40), a value type, or the index of a function type, which may have several results. */
  #blockType(): void {
    const byte = this.#bytes[this.#at] ?? 0;
    if (byte === 0x40) this.#at += 1;
    else if (byte > 0x40 && byte < 0x80) this.#valueType();
    else {
      this.#features.add('multi-value');
      this.#skipNumber();
    }
  }

  #valueType(): void {
    const byte = this.#bytes[this.#at++] ?? 0;
    if (byte === 0x63 || byte === 0x64) {
      this.#features.add('function-references');
      this.#heapType();
    } else if (byte === 0x7b) this.#features.add('simd');
    else if (byte === 0x70 || byte === 0x6f) this.#features.add('reference-types');
    else if (byte === 0x69 || byte === 0x74) this.#features.add('exceptions');
    else if (byte < 0x7c) this.#features.add('gc');
  }

  #heapType(): void {
    const byte = this.#bytes[this.#at] ?? 0;
    this.#skipNumber();
    if (byte === 0x69 || byte === 0x74) this.#features.add('exceptions');
    else if (byte < 0x40 || byte >= 0x80) this.#features.add('function-references');
    else if (byte !== 0x70 && byte !== 0x6f) this.#features.add('gc');
  }

  /** `catch` and `catch_ref` name a tag and a label, the two others a label. */
  #catchClause(): void {
    const kind = this.#bytes[this.#at++] ?? 0;
    this.#skipNumber();
    if (kind < 2) this.#skipNumber();
  }
}
