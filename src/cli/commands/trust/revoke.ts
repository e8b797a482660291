import { dismissTrustedKey } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { dismissedKey, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust revoke',
  describe: 'Let a key never count again, because it was lost or stolen',
  positionals: dismissedKey,
  options: {},
  examples: [['./trust root-1', 'After its owner left the laptop in a train']],
  async run({ dir, key }, { terminal }) {
    return storeOutcome(await dismissTrustedKey(dir, key, 'revoked'), terminal);
  },
});
