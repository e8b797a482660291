import { volumeReceipt } from '../../operations/releases.js';
import { asciiJson } from '../../stream/text.js';
import { command } from '../command.js';
import { sshOptions, sshSettings, volumePlace } from '../options/ssh.js';

export default command({
  name: 'receipt',
  describe: 'Print what a volume took in, by whom and signed by which keys, as a JSON document to carry back',
  positionals: { volume: volumePlace },
  options: {
    release: { type: 'string', describe: 'Beginning of a release id (default: the current release)' },
    ...sshOptions,
  },
  examples: [['/srv/plugin-server', 'Redirect it to a file; "plugferry sign --detached" signs that']],
  async run({ volume, release, ...flags }, { signal, terminal }) {
    const receipt = await volumeReceipt(volume, release === undefined ? {} : { release }, {
      access: { ssh: sshSettings(flags) },
      signal,
    });
    for (const warning of receipt.warnings ?? []) terminal.warn(warning);
    return { json: receipt, text: asciiJson(receipt, 2) };
  },
});
