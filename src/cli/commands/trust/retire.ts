import { dismissTrustedKey } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { dismissedKey, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust retire',
  describe: 'Let a key count no more that is no longer used',
  positionals: dismissedKey,
  options: {},
  examples: [['./trust root-1', 'After another key has taken over']],
  async run({ dir, key }, { terminal }) {
    return storeOutcome(await dismissTrustedKey(dir, key, 'retired'), terminal);
  },
});
