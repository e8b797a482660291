import { rollbackVolume } from '../../index.js';
import { command } from '../command.js';
import { switchedText } from '../release-text.js';

export default command({
  name: 'rollback',
  describe: 'Switch a volume back to a release that it keeps',
  positionals: { volume: { type: 'string', demandOption: true, describe: 'Directory of the volume' } },
  options: {
    to: {
      type: 'string',
      describe: 'Beginning of a release id (default: the release that the current one replaced)',
    },
  },
  examples: [
    ['/srv/plugin-server', 'Undo the last import'],
    ['/srv/plugin-server --json', 'The same, for a script'],
  ],
  async run({ volume, to }, { terminal, signal }) {
    const switched = await rollbackVolume(volume, to === undefined ? {} : { to }, signal);
    for (const warning of switched.warnings) terminal.warn(warning);
    return { json: switched, text: switchedText('ROLLED BACK', volume, switched) };
  },
});
