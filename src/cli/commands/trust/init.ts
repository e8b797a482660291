import { initTrust } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { storeDirectory, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust init',
  describe: 'Make an empty trust store, which refuses everything',
  positionals: storeDirectory,
  options: {
    'root-threshold': {
      type: 'number',
      default: 1,
      describe: 'How many keys of role root must sign an update of the store',
    },
  },
  examples: [['./trust', 'Begin a trust store']],
  async run({ dir, 'root-threshold': rootThreshold }, { terminal }) {
    return storeOutcome(await initTrust(dir, rootThreshold), terminal);
  },
});
