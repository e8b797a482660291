import { expect, test } from 'vitest';
import { readGatewayProfile } from '../../src/gateway/profile.js';
import { mutationCount, mutationSeed } from '../helpers/mutation.js';
import { compare } from '../oracle/compare.js';
import { envoyBinary } from '../oracle/envoy.js';

test.runIf(envoyBinary !== undefined)(
  'Envoy and its profile say the same of generated modules',
  async () => {
    const profile = await readGatewayProfile('envoy-1.40');
    const given = { seed: mutationSeed(), count: mutationCount(200) };
    const { tally, differences } = await compare(envoyBinary ?? '', profile, given);
    expect(differences.map(({ index, words }) => `seed ${given.seed}, module ${index}: ${words}`)).toEqual(
      [],
    );
    // Else the modules are all of one kind, and nothing is compared.
    for (const outcome of ['loads', 'refuses', 'killed'])
      expect([...tally.keys()]).toContain(`Envoy ${outcome}, ours ${outcome}: same`);
  },
  3_600_000,
);
