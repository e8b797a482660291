import { volumeReceipt } from '../../index.js';
import { asciiJson } from '../../io/text.js';
import { command } from '../command.js';

export default command({
  name: 'receipt',
  describe: 'Print what a volume took in, by whom and signed by which keys, as a JSON document to carry back',
  positionals: { volume: { type: 'string', demandOption: true, describe: 'Directory of the volume' } },
  options: {
    release: { type: 'string', describe: 'Beginning of a release id (default: the current release)' },
  },
  examples: [['/srv/plugin-server', 'Redirect it to a file; "plugferry sign --detached" signs that']],
  async run({ volume, release }) {
    const receipt = await volumeReceipt(volume, release === undefined ? {} : { release });
    return { json: receipt, text: asciiJson(receipt, 2) };
  },
});
