import type { Difference, InventoryPlace, ModuleDifference } from '../../index.js';
import { diff } from '../../operations/diff.js';
import { formatBytes } from '../../stream/text.js';
import { command } from '../command.js';
import { networkOptions, reachFrom } from '../options/network.js';
import { readSigners, signerOptions } from '../options/common.js';
import { facts, table } from '../output/table.js';

const place =
  'a bundle (a path, -, sftp:// or http(s)://), a volume, VOLUME@ID (a release, by the first 4 or more characters of its id), a plugin tree, or the URL ' +
  'of a plugin server';

/** The exit code of `--exit-code`. */
const differencesFound = 20;

export default command({
  name: 'diff',
  describe:
    'Compare what two places hold: plugins added, removed and changed, and what that asks of the gateway',
  positionals: {
    before: { type: 'string', demandOption: true, describe: `The old side: ${place}` },
    after: { type: 'string', demandOption: true, describe: 'The new side: the same kinds' },
  },
  options: {
    'exit-code': {
      type: 'boolean',
      default: false,
      describe: `Exit with ${differencesFound} when there are differences`,
    },
    ...signerOptions,
    ...networkOptions,
  },
  examples: [
    ['/srv/plugin-server edge.tar.gz --public-key dev.pub', 'What an import of the bundle would change'],
    ['./plugins edge.tar.gz --exit-code', 'Whether the bundle still holds what the tree does'],
  ],
  async run({ before, after, 'exit-code': exitCode, ...flags }, { terminal, signal }) {
    const trust = await readSigners(flags);
    const difference = await diff({
      before,
      after,
      ...(await reachFrom(flags, [before, after])),
      signal,
      onProgress: terminal.onProgress,
      ...(trust === undefined ? {} : { trust }),
    });
    for (const note of difference.notes) terminal.say(`note: ${note}`);
    return {
      json: difference,
      text: describe(difference),
      ...(exitCode && difference.different ? { exit: differencesFound } : {}),
    };
  },
});

function describe(difference: Difference): string {
  const { added, removed, changed, metadataChanged, unchanged } = difference;
  const counts = [
    `${added.length} added`,
    `${removed.length} removed`,
    `${changed.length} changed`,
    `${metadataChanged.length} with other metadata`,
    `${unchanged} unchanged`,
  ];
  const rows = rowsOf(difference);
  return [
    facts([
      ['before', describePlace(difference.before)],
      ['after', describePlace(difference.after)],
    ]),
    '',
    ...(rows.length === 0 ? [] : [table(['', 'PLUGIN', 'VERSION', 'BEFORE', 'AFTER', ''], rows), '']),
    difference.different ? counts.join(', ') : `no differences: ${unchanged} plugins are the same`,
  ].join('\n');
}

function describePlace({ location, kind, basis, release }: InventoryPlace): string {
  const words = {
    claimed: 'NOT VERIFIED: what the bundle says of itself',
    signed: 'signature verified, content not read',
    recorded: 'as recorded at its import',
    stated: 'NOT VERIFIED: what the server says of itself',
    read: 'every module read',
  } as const satisfies Record<InventoryPlace['basis'], string>;
  const id = kind === 'release' ? `, release ${release?.slice(0, 12) ?? '(none yet)'}` : '';
  return `${location}${id} (${words[basis]})`;
}

function rowsOf({ added, removed, changed, metadataChanged, upgrades }: Difference): string[][] {
  const digest = (sha256: string): string => sha256.slice(0, 16);
  return [
    ...added.map(({ name, version, sha256 }) => {
      const upgrade = upgrades.find((each) => each.name === name && each.to === version);
      const words = upgrade === undefined ? [] : [`against ${upgrade.from}: ${describeModules(upgrade)}`];
      return ['+', name, version, '-', digest(sha256), words.join('')];
    }),
    ...removed.map(({ name, version, sha256 }) => ['-', name, version, digest(sha256), '-', '']),
    ...changed.map((plugin) => {
      const { name, version, before, after } = plugin;
      return ['~', name, version, digest(before.sha256), digest(after.sha256), describeModules(plugin)];
    }),
    ...metadataChanged.map(({ name, version }) => [
      'm',
      name,
      version,
      '',
      '',
      'other metadata.txt, same module',
    ]),
  ].toSorted(([, name = '', version = ''], [, other = '', otherVersion = '']) =>
    name === other ? (version < otherVersion ? -1 : 1) : name < other ? -1 : 1,
  );
}

function describeModules({ before, after, module, problem }: ModuleDifference): string {
  if (problem !== undefined) return `not compared, ${problem}`;
  if (module === null) return 'the same bytes';
  const { imports, abi, start, toolchain } = module;
  const groups = Object.entries({ imports, abi, start })
    .map(([what, { added, removed }]) => [what, ...shortened('+', added), ...shortened('-', removed)])
    .filter(({ length }) => length > 1)
    .map((words) => words.join(' '));
  if (toolchain !== null)
    groups.push(`toolchain ${toolchain.before ?? 'unknown'} -> ${toolchain.after ?? 'unknown'}`);
  const size =
    before.size === after.size ? '' : `, ${formatBytes(before.size)} -> ${formatBytes(after.size)}`;
  return `${groups.length === 0 ? 'asks the same of the gateway' : groups.join('; ')}${size}`;
}

/** Most names that a row has room for; the JSON has all. */
const maxNames = 8;

function shortened(sign: string, names: readonly string[]): string[] {
  const rest = names.length - maxNames;
  const shown = names.slice(0, maxNames).map((name) => sign + name);
  return rest > 0 ? [...shown, `(and ${sign}${rest} more)`] : shown;
}
