import type { PrunedRelease } from '../../index.js';
import { isConfigMapLocation } from '../../configmap/place.js';
import { pruneConfigMaps } from '../../operations/configmaps.js';
import { pruneVolume } from '../../operations/releases.js';
import { formatBytes } from '../../stream/text.js';
import { placeOptions, refuseOptions, releasePlace, storeFrom } from '../options/cluster.js';
import { command } from '../command.js';
import { safeDirectoriesFrom, safeDirectoryOption, sshOptions, sshSettings } from '../options/ssh.js';
import { table } from '../output/table.js';

export default command({
  name: 'prune',
  describe: 'Remove old releases of a volume, and the bytes that only they used',
  positionals: { volume: releasePlace },
  options: {
    keep: { type: 'number', default: 3, describe: 'How many releases to keep, the current one among them' },
    'dry-run': { type: 'boolean', default: false, describe: 'Say what would go, remove nothing' },
    ...placeOptions,
    ...sshOptions,
    ...safeDirectoryOption,
  },
  examples: [
    ['/srv/plugin-server --dry-run', 'What would go'],
    ['/srv/plugin-server --keep 5', 'Keep five; what was current within the hour stays, too'],
  ],
  async run({ volume, keep, ...flags }, { terminal, signal }) {
    const what = { keep, dryRun: flags['dry-run'] };
    if (isConfigMapLocation(volume)) {
      const pruned = await pruneConfigMaps(await storeFrom(volume, flags), what, { signal });
      for (const warning of pruned.warnings) terminal.warn(warning);
      return {
        json: { ...pruned, dryRun: what.dryRun },
        text: prunedText(pruned, `${pruned.objects.length} ConfigMaps`, what),
      };
    }
    refuseOptions({ yaml: flags.yaml }, volume);
    const pruned = await pruneVolume(volume, what, {
      access: { ssh: sshSettings(flags) },
      safeDirectories: safeDirectoriesFrom(flags),
      signal,
    });
    for (const warning of pruned.warnings) terminal.warn(warning);
    return { json: pruned, text: prunedText(pruned, `${pruned.files} files`, what) };
  },
});

interface Pruning {
  readonly releases: readonly PrunedRelease[];
  /** Bytes that go. */
  readonly bytes: number;
}

function prunedText(
  { releases, bytes }: Pruning,
  gone: string,
  { dryRun }: { readonly dryRun: boolean },
): string {
  const rows = releases.map(({ id, createdAt, fate }) => [id.slice(0, 12), createdAt, fate]);
  const freed = `${gone}, ${formatBytes(bytes)} ${dryRun ? 'would be freed' : 'freed'}`;
  return [table(['RELEASE', 'CREATED', 'FATE'], rows), '', freed].join('\n');
}
