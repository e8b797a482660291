import { isConfigMapLocation } from '../../configmap/place.js';
import { rollbackConfigMaps } from '../../configmaps.js';
import { rollbackVolume } from '../../releases.js';
import { placeOptions, refuseOptions, releasePlace, storeFrom } from '../cluster-options.js';
import { command } from '../command.js';
import { safeDirectoriesFrom, safeDirectoryOption, sshOptions, sshSettings } from '../ssh-options.js';
import { switchedText } from '../release-text.js';

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
