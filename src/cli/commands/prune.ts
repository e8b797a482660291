import { pruneVolume } from '../../index.js';
import { formatBytes } from '../../io/text.js';
import { command } from '../command.js';
import { sshOptions, sshSettings, volumePlace } from '../ssh-options.js';
import { table } from '../table.js';

export default command({
  name: 'prune',
  describe: 'Remove old releases of a volume, and the bytes that only they used',
  positionals: { volume: volumePlace },
  options: {
    keep: { type: 'number', default: 3, describe: 'How many releases to keep, the current one among them' },
    'dry-run': { type: 'boolean', default: false, describe: 'Say what would go, remove nothing' },
    ...sshOptions,
  },
  examples: [
    ['/srv/plugin-server --dry-run', 'What would go'],
    ['/srv/plugin-server --keep 5', 'Keep five; what was current within the hour stays, too'],
  ],
  async run({ volume, keep, ...flags }, { terminal, signal }) {
    const pruned = await pruneVolume(
      volume,
      { keep, dryRun: flags['dry-run'] },
      { access: { ssh: sshSettings(flags) }, signal },
    );
    for (const warning of pruned.warnings) terminal.warn(warning);
    const rows = pruned.releases.map(({ id, createdAt, fate }) => [id.slice(0, 12), createdAt, fate]);
    const freed = `${pruned.files} files, ${formatBytes(pruned.bytes)} ${pruned.dryRun ? 'would be freed' : 'freed'}`;
    return { json: pruned, text: [table(['RELEASE', 'CREATED', 'FATE'], rows), '', freed].join('\n') };
  },
});
