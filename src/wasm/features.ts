/**
 * What a module uses beyond the first version of WebAssembly, by the names of the proposals
 * (https://github.com/WebAssembly/proposals). Each is a switch of an engine.
 */
export type Feature =
  | 'bulk-memory'
  | 'custom-page-sizes'
  | 'exceptions'
  | 'extended-const'
  | 'function-references'
  | 'gc'
  | 'half-precision'
  | 'legacy-exceptions'
  | 'memory-control'
  | 'memory64'
  | 'multi-memory'
  | 'multi-value'
  | 'mutable-globals'
  | 'reference-types'
  | 'relaxed-simd'
  | 'saturating-float-to-int'
  | 'sign-extension'
  | 'simd'
  | 'stack-switching'
  | 'tail-call'
  | 'threads'
  | 'wide-arithmetic';

const ofType: Readonly<Record<string, Feature>> = {
  v128: 'simd',
  i8: 'gc',
  i16: 'gc',
  funcref: 'reference-types',
  externref: 'reference-types',
  exnref: 'exceptions',
  nullexnref: 'exceptions',
  contref: 'stack-switching',
  nullcontref: 'stack-switching',
};

const numbers = new Set(['i32', 'i64', 'f32', 'f64']);

/** Features that were met. */
export class FeatureSet {
  readonly #met = new Set<Feature>();
  readonly #unknown = new Set<string>();

  add(feature: Feature): void {
    this.#met.add(feature);
  }

  /** The feature that a value type belongs to; all other references came with garbage collection. */
  noteType(name: string): void {
    if (numbers.has(name)) return;
    if (name.startsWith('0x')) this.unknown(`value type ${name}`);
    else this.#met.add(ofType[name] ?? 'gc');
  }

  /** Notes what no known proposal has: `instruction 0xe0`. The first few are enough to say so. */
  unknown(what: string): void {
    if (this.#unknown.size < 8) this.#unknown.add(what);
  }

  /** Takes over what another set has met. */
  join(other: FeatureSet): void {
    for (const feature of other.#met) this.#met.add(feature);
    for (const what of other.#unknown) this.unknown(what);
  }

  has(feature: Feature): boolean {
    return this.#met.has(feature);
  }

  /** Ascending. */
  get names(): Feature[] {
    return [...this.#met].sort();
  }

  get unknowns(): string[] {
    return [...this.#unknown].sort();
  }
}
