import { listPlugins } from '../../index.js';
import { formatBytes } from '../../io/text.js';
import { command } from '../command.js';
import { accessFrom, networkOptions } from '../network-options.js';
import { table } from '../table.js';

export default command({
  name: 'list',
  describe: 'List the plugins of a volume, of a plain plugin tree, or of a plugin server',
  positionals: {
    location: {
      type: 'string',
      demandOption: true,
      describe: 'Directory of the volume or tree, sftp:// location of a volume, or URL of a plugin server',
    },
  },
  options: networkOptions,
  examples: [['/srv/plugin-server', 'What is served now']],
  async run({ location, ...flags }, { terminal, signal }) {
    const listing = await listPlugins({ location, access: await accessFrom(flags), signal });
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
