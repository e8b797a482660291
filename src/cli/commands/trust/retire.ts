import { dismissTrustedKey } from '../../../index.js';
import { command } from '../../command.js';
import { dismissedKey, storeOutcome } from '../../trust-options.js';

export default command({
  name: 'trust retire',
  describe: 'Let a key count no more that is no longer used',
  positionals: dismissedKey,
  options: {},
  examples: [['./trust dev-2025', 'After dev-2026 has taken over']],
  async run({ dir, key }, { terminal }) {
    return storeOutcome(await dismissTrustedKey(dir, key, 'retired'), terminal);
  },
});
