import { listTrust } from '../../../trust-store.js';
import { command } from '../../command.js';
import { storeDirectory, storeOutcome } from '../../trust-options.js';

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
