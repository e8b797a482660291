import { isPlugferryError } from '../../src/errors.js';
import { incompatibilities } from '../../src/gateway/compatibility.js';
import type { GatewayProfile } from '../../src/schema/gatewayProfile.js';
import { engineKnows } from '../../src/wasm/engine.js';
import { ModuleStream } from '../../src/wasm/module-stream.js';
import type { Verdict } from './envoy.js';

/** What Plugferry says of a module, in the words of the oracle. */
export interface Judgement {
  readonly outcome: 'loads' | 'refuses' | 'killed';
  readonly words: string;
  /** Whether the V8 of this Node.js knows all that the module uses, and so could say whether its bytes are a module. */
  readonly judged: boolean;
}

/** Judges bytes as `--gateway-profile` does. */
export function judge(bytes: Buffer, profile: GatewayProfile): Judgement {
  try {
    const stream = new ModuleStream('plugin.wasm', bytes.length, { forGateway: true });
    stream.push(bytes);
    const reading = stream.end();
    const reasons = incompatibilities(reading, profile);
    const outcome = reasons.length === 0 ? 'loads' : reasons[0]?.kind === 'kills' ? 'killed' : 'refuses';
    return {
      outcome,
      words: reasons.map(({ reason }) => reason).join('; '),
      judged: engineKnows(reading.asks.features),
    };
  } catch (error) {
    if (!isPlugferryError(error) || error.code !== 'E_WASM') throw error;
    return { outcome: 'refuses', words: error.message, judged: true };
  }
}

/** Whether both say the same, or differ where src/gateway/README.md says that they may. */
export type Agreement = 'same' | 'left to chance' | 'not judged by this Node.js' | 'different';

export function agreement(ours: Judgement, theirs: Verdict): Agreement {
  if (ours.outcome === theirs.outcome) return 'same';
  // What the host does with memory that it has freed: it ends, refuses, or goes on.
  if (ours.outcome === 'killed' && ours.words.startsWith('imports more than one memory'))
    return 'left to chance';
  const uncompiled = theirs.outcome === 'refuses' && theirs.words.includes('Failed to load Wasm bytecode');
  return uncompiled && !ours.judged ? 'not judged by this Node.js' : 'different';
}
