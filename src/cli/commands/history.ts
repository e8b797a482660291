import type { HistoryLine } from '../../index.js';
import { isConfigMapLocation } from '../../configmap/place.js';
import { configMapHistory } from '../../operations/configmaps.js';
import { volumeHistory } from '../../operations/releases.js';
import { placeOptions, refuseOptions, releasePlace, storeFrom } from '../options/cluster.js';
import { command } from '../command.js';
import { sshOptions, sshSettings } from '../options/ssh.js';
import { table } from '../output/table.js';

export default command({
  name: 'history',
  describe: 'Show which release of a volume was current when',
  positionals: { volume: releasePlace },
  options: { ...placeOptions, ...sshOptions },
  examples: [['/srv/plugin-server', 'Newest first; * marks what is served now']],
  async run({ volume, ...flags }, { terminal, signal }) {
    if (!isConfigMapLocation(volume)) refuseOptions({ yaml: flags.yaml }, volume);
    const history = isConfigMapLocation(volume)
      ? await configMapHistory(await storeFrom(volume, flags), signal)
      : await volumeHistory(volume, { access: { ssh: sshSettings(flags) }, signal });
    for (const warning of history.warnings) terminal.warn(warning);
    for (const id of history.unlisted) terminal.say(`note: release ${id} is kept, but no change names it`);
    return {
      json: history,
      text: table(['', 'AT', 'RELEASE', 'PLUGINS', 'BY', 'WHAT'], history.lines.map(row)),
    };
  },
});

function row(line: HistoryLine): string[] {
  const bundle = line.origin?.bundle;
  const what = [
    line.action,
    ...(bundle === undefined || line.action === 'rollback' ? [] : [`${bundle.set} ${bundle.sequence}`]),
    ...(line.origin?.unsigned === true ? ['UNSIGNED'] : []),
    ...(line.kept ? [] : ['(removed)']),
  ];
  const plugins = line.plugins === undefined ? '-' : String(line.plugins);
  return [line.current ? '*' : '', line.at, line.release.slice(0, 12), plugins, line.by, what.join(' ')];
}
