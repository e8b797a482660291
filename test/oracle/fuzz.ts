/**
 * Throws generated modules at an Envoy and compares what it says with our profile of it: `npm run gateway-fuzz -- --seed 1 --count 3000`.
 * Each module that is judged differently is written to `--out`, a directory, and says so; then the exit code is 1.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readGatewayProfile } from '../../src/gateway/profile.js';
import { compare } from './compare.js';
import { envoyBinary } from './envoy.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '3000' },
    profile: { type: 'string', default: 'envoy-1.40' },
    out: { type: 'string', default: 'node_modules/.cache/gateway-fuzz' },
  },
});
if (envoyBinary === undefined) throw new Error('there is no Envoy to ask');
const profile = await readGatewayProfile(values.profile);
const { tally, differences } = await compare(envoyBinary, profile, {
  seed: Number(values.seed),
  count: Number(values.count),
});
mkdirSync(values.out, { recursive: true });
for (const { index, module, words } of differences) {
  const file = join(values.out, `${values.seed}-${index}.wasm`);
  writeFileSync(file, module);
  process.stdout.write(`${file}: ${words}\n`);
}
for (const [kind, count] of [...tally].sort()) process.stdout.write(`${count} ${kind}\n`);
process.exitCode = differences.length === 0 ? 0 : 1;
