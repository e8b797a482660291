import { addTrustedKey } from '../../../operations/trust-store.js';
import { command } from '../../command.js';
import { pointInTime } from '../../options/time.js';
import { storeDirectory, storeOutcome } from '../../options/trust.js';

export default command({
  name: 'trust add',
  describe: 'Add a public key under a name, in one role',
  positionals: {
    ...storeDirectory,
    key: { type: 'string', demandOption: true, describe: 'Public key file' },
  },
  options: {
    name: { type: 'string', demandOption: true, describe: 'What you call the key, for example dev-2026' },
    role: {
      type: 'string',
      demandOption: true,
      describe: 'Its one role, for example dev or qa; root signs updates of the store',
    },
    'not-before': {
      type: 'string',
      describe: 'Counts from this day or time (UTC) on, YYYY-MM-DD[THH:MM:SSZ]',
    },
    'not-after': { type: 'string', describe: 'Counts until this day or time (UTC), YYYY-MM-DD[THH:MM:SSZ]' },
    force: {
      type: 'boolean',
      default: false,
      describe: 'Replace name, role and dates of a key that is there',
    },
  },
  examples: [
    ['./trust dev.pub --name dev-2026 --role dev --not-after 2036-12-31', 'Let dev vouch until then'],
    ['./trust keys/qa.pub --name qa-2026 --role qa', 'Let qa vouch'],
    ['./trust root.pub --name root-1 --role root', 'Let this key sign updates of the store'],
  ],
  async run({ dir, key, name, role, force, ...flags }, { terminal }) {
    const notBefore = pointInTime('not-before', flags['not-before'], 'start');
    const notAfter = pointInTime('not-after', flags['not-after'], 'end');
    const listing = await addTrustedKey(dir, {
      publicKeyFile: key,
      name,
      role,
      replace: force,
      ...(notBefore === undefined ? {} : { notBefore }),
      ...(notAfter === undefined ? {} : { notAfter }),
    });
    return storeOutcome(listing, terminal);
  },
});
