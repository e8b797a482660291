import type { ImportResult } from '../../../index.js';
import { importBundle } from '../../../operations/import.js';
import { PlugferryError } from '../../../errors.js';
import type { Context } from '../../command.js';
import type { OptionTable } from '../../option-table.js';
import { reachFrom, reachOptions } from '../../options/network.js';
import { readTrust } from '../../options/common.js';
import { safeDirectoriesFrom, safeDirectoryOption } from '../../options/ssh.js';
import { sayRepairs } from '../../options/split.js';

/** Options of a server that fetches its plugins itself. */
export const serveImportOptions = {
  import: {
    type: 'string',
    array: true,
    describe:
      'Bundle to import into --volume before serving, verified as "import" does: a file, its parts (repeatable), or a URL',
  },
  volume: {
    type: 'string',
    describe: 'Directory of the volume to serve; with --import, made when it is not there',
  },
  ...safeDirectoryOption,
  ...reachOptions,
} as const satisfies OptionTable;

type Flags = Parameters<typeof readTrust>[0] &
  Parameters<typeof reachFrom>[0] & {
    readonly import: readonly (string | number)[] | undefined;
    readonly volume: string | undefined;
    readonly 'safe-directory'?: readonly (string | number)[] | undefined;
  };

/** Imports what `--import` names. Nothing is served when that is refused, not even what was there before: it is what was asked for. */
export async function importBeforeServing(
  flags: Flags,
  { terminal, signal }: Context,
): Promise<Pick<ImportResult, 'release' | 'outcome' | 'warnings'> | undefined> {
  const { import: bundle, volume } = flags;
  if (bundle === undefined) return undefined;
  if (volume === undefined) {
    throw new PlugferryError('E_USAGE', '--import needs --volume', {
      hint: 'Name the directory to import into and to serve: --volume /srv/plugin-server',
    });
  }
  const places = bundle.map(String);
  const result = await importBundle({
    bundle: places,
    ...(await reachFrom(flags, places)),
    onRepair: sayRepairs(terminal),
    to: volume,
    safeDirectories: safeDirectoriesFrom(flags),
    trust: await readTrust(flags, terminal),
    signal,
    notify: terminal.say,
    onProgress: terminal.onProgress,
  });
  for (const warning of result.warnings) terminal.warn(warning);
  const { release, outcome, warnings } = result;
  terminal.say(`imported: release ${release.slice(0, 12)}, ${outcome}`);
  return { release, outcome, warnings };
}
