import type { PartDamage, WrittenPart } from '../../index.js';
import { describeDamage } from '../../parts/damage.js';
import { media, parseParity, parseSplitSize } from '../../parts/size.js';
import { PlugferryError } from '../../errors.js';
import { formatBytes } from '../../stream/text.js';
import type { OptionTable } from '../option-table.js';
import type { Terminal } from '../output/terminal.js';

/** Options of every command that writes a bundle in parts. */
export const splitOptions = {
  'split-size': {
    type: 'string',
    describe: `Most bytes of a part: 700M, 2G, or a medium (${Object.keys(media).join(', ')})`,
  },
  parity: {
    type: 'string',
    describe: 'Parts to add from which lost ones are made again, in percent of the others, such as 20%',
  },
} as const satisfies OptionTable;

interface SplitFlags {
  readonly 'split-size': string | undefined;
  readonly parity: string | undefined;
}

/** What the options ask for; undefined when the bundle stays whole. */
export function splitFrom(
  flags: SplitFlags,
): { readonly partFile: number; readonly parity: number } | undefined {
  const { 'split-size': size, parity } = flags;
  if (size !== undefined) return { partFile: parseSplitSize(size), parity: parseParity(parity ?? '0') };
  if (parity === undefined) return undefined;
  throw new PlugferryError('E_USAGE', '--parity needs --split-size', {
    hint: 'Parity is there to repair parts: give their size, too.',
  });
}

/** One line for each part file. */
export const partRows = (parts: readonly WrittenPart[]): (readonly [string, string])[] =>
  parts.map(({ file, kind, size }) => [
    kind === 'data' ? 'part' : 'parity',
    `${file} (${formatBytes(size)})`,
  ]);

/** What was wrong with parts, one line each. */
export const repairLines = (repaired: readonly PartDamage[]): string[] =>
  repaired.map((damage) => `repaired from parity: ${describeDamage(damage)}`);

/** The bundle of a command that reads one: a file, or all its parts. */
export const bundlePlace = {
  type: 'string',
  array: true,
  demandOption: true,
  describe:
    'Bundle: a path, - (standard input), sftp:// or http(s)://; or its parts, in any order, or a directory of them',
} as const satisfies OptionTable[string];

/** Says each repair aloud: the medium is on its way out. */
export const sayRepairs =
  ({ warn }: Pick<Terminal, 'warn'>) =>
  (repaired: readonly PartDamage[]): void => {
    for (const line of repairLines(repaired)) warn(line);
  };
