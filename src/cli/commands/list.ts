import { listPlugins } from '../../index.js';
import { formatBytes } from '../../io/text.js';
import { command } from '../command.js';
import { table } from '../table.js';

export default command({
  name: 'list',
  describe: 'List the plugins of a volume or of a plain plugin tree',
  positionals: {
    location: { type: 'string', demandOption: true, describe: 'Directory of the volume or tree' },
  },
  options: {},
  examples: [['/srv/plugin-server', 'What is served now']],
  async run({ location }, { terminal, signal }) {
    const listing = await listPlugins({ location, signal });
    for (const note of listing.notes) terminal.say(`note: ${note}`);
    const rows = listing.plugins.map(({ name, version, size, sha256, md5, problem }) => [
      name,
      version,
      size === undefined ? '-' : formatBytes(size),
      sha256?.slice(0, 16) ?? '-',
      md5 ?? '-',
      problem === undefined ? '' : `PROBLEM: ${problem}`,
    ]);
    return { json: listing, text: table(['PLUGIN', 'VERSION', 'SIZE', 'SHA256', 'MD5', ''], rows) };
  },
});
