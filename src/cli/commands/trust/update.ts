import { updateTrust } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { facts } from '../../output/table.js';
import { storeDirectory, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust update',
  describe: 'Replace a trust store by its successor, which enough of its root keys have signed',
  positionals: {
    ...storeDirectory,
    from: {
      type: 'string',
      demandOption: true,
      describe: 'Directory with the new trust.json, its .pub files and <key id>.sig of the root keys',
    },
  },
  options: {},
  examples: [['./prod-trust ./new-trust', 'Take over new keys, policies and revocations']],
  async run({ dir, from }, { terminal }) {
    const update = await updateTrust(dir, from);
    const { text } = storeOutcome(update.store, terminal);
    const signers = update.signedBy.map(({ keyId, name }) => ['signed by', `${keyId} (${name})`] as const);
    return {
      json: update,
      text: [
        update.outcome === 'unchanged'
          ? 'UNCHANGED: the trust store is this one already.'
          : `UPDATED: from version ${update.previousVersion} to ${update.store.version}.`,
        '',
        facts(signers),
        text,
      ].join('\n'),
    };
  },
});
