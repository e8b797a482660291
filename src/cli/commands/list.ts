import { isConfigMapLocation } from '../../configmap/place.js';
import { listConfigMaps } from '../../operations/configmaps.js';
import { listPlugins } from '../../operations/list.js';
import { formatBytes } from '../../stream/text.js';
import { placeOptions, refuseOptions, storeFrom } from '../options/cluster.js';
import { command } from '../command.js';
import { accessFrom, networkOptions } from '../options/network.js';
import { table } from '../output/table.js';

export default command({
  name: 'list',
  describe: 'List the plugins of a volume, of a plain plugin tree, or of a plugin server',
  positionals: {
    location: {
      type: 'string',
      demandOption: true,
      describe:
        'Directory of the volume or tree, sftp:// location of a volume, configmap:NAMESPACE/NAME, or URL of a plugin server',
    },
  },
  options: { ...placeOptions, ...networkOptions },
  examples: [['/srv/plugin-server', 'What is served now']],
  async run({ location, ...flags }, { terminal, signal }) {
    if (!isConfigMapLocation(location)) refuseOptions({ yaml: flags.yaml }, location);
    const listing = isConfigMapLocation(location)
      ? await listConfigMaps(await storeFrom(location, flags), signal)
      : await listPlugins({
          location,
          access: await accessFrom(flags),
          signal,
          onProgress: terminal.onProgress,
        });
    for (const note of listing.notes) terminal.say(`note: ${note}`);
    const rows = listing.plugins.map(({ name, version, size, sha256, md5, stated, problem }) => [
      name,
      version,
      size === undefined ? '-' : formatBytes(size),
      sha256?.slice(0, 16) ?? '-',
      md5 ?? '-',
      problem !== undefined ? `PROBLEM: ${problem}` : stated === true ? 'as the server states' : '',
    ]);
    return { json: listing, text: table(['PLUGIN', 'VERSION', 'SIZE', 'SHA256', 'MD5', ''], rows) };
  },
});
