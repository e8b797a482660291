import { setTrustPolicy } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { requiredRoles, storeDirectory, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust set',
  describe: 'Make or change the policy of a plugin set; what you do not name stays',
  positionals: {
    ...storeDirectory,
    set: { type: 'string', demandOption: true, describe: 'Name of the plugin set' },
  },
  options: {
    require: {
      type: 'string',
      describe: 'Who must sign: role=number of distinct keys, comma separated, for example dev=1,qa=1',
    },
    audience: { type: 'string', describe: 'Take only bundles that were exported for this environment' },
    'max-age-days': { type: 'number', describe: 'Refuse bundles that were created longer ago' },
    'min-sequence': { type: 'number', describe: 'Refuse lower sequences, also on a volume that is new' },
    'max-sequence': {
      type: 'number',
      describe:
        'Refuse higher sequences (default: what is more than ten years ahead of the clock, in seconds)',
    },
    epoch: {
      type: 'number',
      describe:
        'Take only this epoch; raise it by one to shut out all that came before: sequences start anew',
    },
    'allow-downgrade': {
      type: 'boolean',
      describe: 'Permit "import --allow-downgrade"; --no-allow-downgrade forbids it again',
    },
  },
  examples: [
    ['./trust default --require dev=1,qa=1 --max-age-days 180', 'Two pairs of eyes, and nothing stale'],
    ['./trust edge --require dev=1 --audience prod', 'Dev alone, but only what was made for prod'],
  ],
  async run({ dir, set, require, audience, epoch, ...flags }, { terminal }) {
    const {
      'max-age-days': maxAgeDays,
      'min-sequence': minSequence,
      'max-sequence': maxSequence,
      'allow-downgrade': allowDowngrade,
    } = flags;
    const listing = await setTrustPolicy(dir, set, {
      ...(require === undefined ? {} : { require: requiredRoles(require) }),
      ...(audience === undefined ? {} : { audience }),
      ...(maxAgeDays === undefined ? {} : { maxAgeDays }),
      ...(minSequence === undefined ? {} : { minSequence }),
      ...(maxSequence === undefined ? {} : { maxSequence }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(allowDowngrade === undefined ? {} : { allowDowngrade }),
    });
    return storeOutcome(listing, terminal);
  },
});
