import type { GatewayProfile } from '../../src/schema/gatewayProfile.js';
import { askAll } from './envoy.js';
import { ModuleGenerator } from './generate/module.js';
import { agreement, judge } from './judge.js';

/** A module of which Envoy and our profile of it say different things. */
export interface Difference {
  readonly index: number;
  readonly module: Buffer;
  readonly words: string;
}

export interface Comparison {
  /** How many modules of each kind: what Envoy says, what we say, and whether that agrees. */
  readonly tally: ReadonlyMap<string, number>;
  readonly differences: readonly Difference[];
}

/** Seeds of one run do not meet those of the next. */
const stride = 1_000_003;
/** Modules that are held at a time. */
const batch = 500;

/** Asks Envoy and our profile of it about generated modules, the same for the same seed. */
export async function compare(
  binary: string,
  profile: GatewayProfile,
  { seed, count }: { readonly seed: number; readonly count: number },
): Promise<Comparison> {
  const generator = new ModuleGenerator(profile);
  const tally = new Map<string, number>();
  const differences: Difference[] = [];
  for (let done = 0; done < count; done += batch) {
    const modules = Array.from({ length: Math.min(batch, count - done) }, (_, index) =>
      generator.module(seed * stride + done + index),
    );
    const verdicts = await askAll(binary, modules);
    for (const [index, theirs] of verdicts.entries()) {
      const module = modules[index] ?? Buffer.alloc(0);
      const ours = judge(module, profile);
      const kind = agreement(ours, theirs);
      const key = `Envoy ${theirs.outcome}, ours ${ours.outcome}: ${kind}`;
      tally.set(key, (tally.get(key) ?? 0) + 1);
      if (kind !== 'different') continue;
      const words = `${key}: ${theirs.words.slice(0, 300).replaceAll('\n', ' | ')} // ${ours.words.slice(0, 300)}`;
      differences.push({ index: done + index, module, words });
    }
  }
  return { tally, differences };
}
