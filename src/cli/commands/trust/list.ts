import { listTrust } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { storeDirectory, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust list',
  describe: 'Show keys and policies of a trust store, and what cannot work',
  positionals: storeDirectory,
  options: {},
  examples: [['./trust', 'Whose signatures count, and until when']],
  async run({ dir }, { terminal }) {
    return storeOutcome(await listTrust(dir), terminal);
  },
});
