import { rollbackVolume } from '../../index.js';
import { command } from '../command.js';
import { sshOptions, sshSettings, volumePlace } from '../ssh-options.js';
import { switchedText } from '../release-text.js';

export default command({
  name: 'rollback',
  describe: 'Switch a volume back to a release that it keeps',
  positionals: { volume: volumePlace },
  options: {
    to: {
      type: 'string',
      describe: 'Beginning of a release id (default: the release that the current one replaced)',
    },
    ...sshOptions,
  },
  examples: [
    ['/srv/plugin-server', 'Undo the last import'],
    ['/srv/plugin-server --json', 'The same, for a script'],
  ],
  async run({ volume, to, ...flags }, { terminal, signal }) {
    const switched = await rollbackVolume(volume, to === undefined ? {} : { to }, {
      access: { ssh: sshSettings(flags) },
      signal,
    });
    for (const warning of switched.warnings) terminal.warn(warning);
    return { json: switched, text: switchedText('ROLLED BACK', volume, switched) };
  },
});
