import { setRootThreshold } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { storeDirectory, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust roots',
  describe: 'Say how many keys of role root must sign an update of the store',
  positionals: storeDirectory,
  options: {
    threshold: { type: 'number', demandOption: true, describe: 'Number of distinct root keys, at least 1' },
  },
  examples: [['./trust --threshold 2', 'No single person changes what this side believes']],
  async run({ dir, threshold }, { terminal }) {
    return storeOutcome(await setRootThreshold(dir, threshold), terminal);
  },
});
