import type { Feature } from './features.js';

/** Larger modules are not held in memory to be judged: real ones have 1 to 6 MiB. */
export const maxJudgedBytes = 32 * 1024 * 1024;

/** The part of the WebAssembly engine of Node.js that is used here; its types name it, but do not describe it. */
const engine = (globalThis as unknown as { readonly WebAssembly: { validate(bytes: Uint8Array): boolean } })
  .WebAssembly;

/**
 * Whether V8 finds that these bytes are not a module. It decodes them, and neither compiles nor runs anything. Says nothing of a module
 * that uses a feature which this V8 does not have: the gateway's may have it.
 */
export const engineRefuses = (bytes: Uint8Array, features: readonly Feature[]): boolean =>
  engineKnows(features) && !engine.validate(bytes);

/** Whether this V8 has all of these features. */
export const engineKnows = (features: readonly Feature[]): boolean => features.every(engineHas);

const known = new Map<Feature, boolean>();

function engineHas(feature: Feature): boolean {
  const has = known.get(feature) ?? engine.validate(Buffer.from(`0061736d01000000${probes[feature]}`, 'hex'));
  known.set(feature, has);
  return has;
}

/** The smallest module that needs a feature, behind its header. */
const probes: Readonly<Record<Feature, string>> = {
  'bulk-memory': '0104016000000302010005030100010a0d010b00410041004100fc0b000b',
  'custom-page-sizes': '050401080100',
  exceptions: '010401600000030201000a0d010b0002401f400102000b0b0b',
  'extended-const': '0609017f00410141026a0b',
  'function-references': '010401600000030201000a07010500d0001a0b',
  gc: '0103015f00',
  'half-precision': '010401600000030201000a0d010b004300000000fda0021a0b',
  'legacy-exceptions': '010401600000030201000a080106000640190b0b',
  'memory-control': '0104016000000302010005030100010a0b01090041004100fc12000b',
  memory64: '0503010401',
  'multi-memory': '05050200010001',
  'multi-value': '0106016000027f7f',
  'mutable-globals': '0606017f0141000b070401000300',
  'reference-types': '010401600000030201000a07010500d06f1a0b',
  'relaxed-simd':
    '010401600000030201000a2c012a00fd0c00000000000000000000000000000000fd0c00000000000000000000000000000000fd80021a0b',
  'saturating-float-to-int': '010401600000030201000a0c010a004300000000fc001a0b',
  'sign-extension': '010401600000030201000a080106004100c01a0b',
  simd: '01050160017b00',
  'stack-switching': '0106026000005d00',
  'tail-call': '010401600000030201000a0601040012000b',
  threads: '050401030101',
  'wide-arithmetic': '010401600000030201000a10010e004200420042004200fc131a1a0b',
};
