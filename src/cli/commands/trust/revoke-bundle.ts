import { revokeBundle } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { storeDirectory, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust revoke-bundle',
  describe: 'Refuse a bundle from now on, whoever signed it',
  positionals: {
    ...storeDirectory,
    manifest: {
      type: 'string',
      demandOption: true,
      describe: 'SHA-256 of its manifest, as "inspect" and "verify" print it',
    },
  },
  options: {},
  examples: [
    [
      './trust sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      'After a fault was found in it',
    ],
  ],
  async run({ dir, manifest }, { terminal }) {
    return storeOutcome(await revokeBundle(dir, manifest.replace(/^sha256:/, '')), terminal);
  },
});
