import { isConfigMapLocation } from '../../configmap/place.js';
import { rollbackConfigMaps } from '../../operations/configmaps.js';
import { rollbackVolume } from '../../operations/releases.js';
import { placeOptions, refuseOptions, releasePlace, storeFrom } from '../options/cluster.js';
import { command } from '../command.js';
import { safeDirectoriesFrom, safeDirectoryOption, sshOptions, sshSettings } from '../options/ssh.js';
import { switchedText } from '../output/release-text.js';

export default command({
  name: 'rollback',
  describe: 'Switch a volume back to a release that it keeps',
  positionals: { volume: releasePlace },
  options: {
    to: {
      type: 'string',
      describe: 'Beginning of a release id (default: the release that the current one replaced)',
    },
    ...placeOptions,
    ...sshOptions,
    ...safeDirectoryOption,
  },
  examples: [
    ['/srv/plugin-server', 'Undo the last import'],
    ['/srv/plugin-server --json', 'The same, for a script'],
  ],
  async run({ volume, to, ...flags }, { terminal, signal }) {
    if (!isConfigMapLocation(volume)) refuseOptions({ yaml: flags.yaml }, volume);
    const target = to === undefined ? {} : { to };
    const switched = isConfigMapLocation(volume)
      ? await rollbackConfigMaps(await storeFrom(volume, flags), target, { signal })
      : await rollbackVolume(volume, target, {
          access: { ssh: sshSettings(flags) },
          safeDirectories: safeDirectoriesFrom(flags),
          signal,
        });
    for (const warning of switched.warnings) terminal.warn(warning);
    return { json: switched, text: switchedText('ROLLED BACK', volume, switched) };
  },
});
