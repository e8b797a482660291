import { aliasPlugin } from '../../operations/releases.js';
import { PlugferryError } from '../../errors.js';
import { command } from '../command.js';
import {
  safeDirectoriesFrom,
  safeDirectoryOption,
  sshOptions,
  sshSettings,
  volumePlace,
} from '../options/ssh.js';
import { switchedText } from '../output/release-text.js';

export default command({
  name: 'alias',
  describe: 'Serve a module under one more version, as the Console may ask for one that was never published',
  positionals: {
    volume: volumePlace,
    name: { type: 'string', demandOption: true, describe: 'Name of the plugin' },
    versions: { type: 'string', demandOption: true, describe: 'VERSION=EXISTING' },
  },
  options: { ...sshOptions, ...safeDirectoryOption },
  examples: [['/srv/plugin-server key-auth 1.0.9=1.0.0', 'key-auth 1.0.0 answers for 1.0.9 too']],
  async run({ volume, name, versions, ...flags }, { terminal, signal }) {
    const [version = '', existing = '', ...rest] = versions.split('=');
    if (version === '' || existing === '' || rest.length > 0) {
      throw new PlugferryError('E_USAGE', `"${versions}" is not VERSION=EXISTING`, {
        hint: 'Write the new version first, for example 1.0.0=2.0.0.',
        details: { found: versions, expected: 'VERSION=EXISTING' },
      });
    }
    const switched = await aliasPlugin(
      volume,
      { name, version, existing },
      {
        access: { ssh: sshSettings(flags) },
        safeDirectories: safeDirectoriesFrom(flags),
        signal,
      },
    );
    for (const warning of switched.warnings) terminal.warn(warning);
    return { json: switched, text: switchedText('ALIASED', volume, switched) };
  },
});
