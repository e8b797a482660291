import { parseParity, parseSplitSize } from '../../parts/size.js';
import { splitBundle } from '../../operations/split.js';
import { formatBytes } from '../../stream/text.js';
import { command } from '../command.js';
import { reachFrom, reachOptions } from '../options/network.js';
import { bundlePlace, partRows, sayRepairs, splitOptions } from '../options/split.js';
import { facts } from '../output/table.js';
import { named } from '../output/reporters.js';

export default command({
  name: 'split',
  describe: 'Cut a finished bundle into parts for removable media, with parity to repair them',
  positionals: { bundle: bundlePlace },
  options: {
    ...splitOptions,
    'split-size': { ...splitOptions['split-size'], demandOption: true },
    output: {
      alias: 'o',
      type: 'string',
      describe:
        'What the names of the parts begin with, or a directory for them (default: the name of the bundle)',
    },
    ...reachOptions,
    force: { type: 'boolean', default: false, describe: 'Replace existing part files' },
  },
  examples: [
    ['edge.tar.gz --split-size dvd --parity 20%', 'Any one in five parts may get lost on the way'],
    ['edge.tar.gz --split-size fat32 -o usb', 'usb.part001 and so on, none larger than FAT32 can hold'],
  ],
  async run({ bundle, output, force, parity = '0', ...flags }, { terminal, signal }) {
    const places = bundle.map(String);
    const result = await splitBundle({
      bundle: places,
      ...(await reachFrom(flags, places)),
      onRepair: sayRepairs(terminal),
      partFile: parseSplitSize(flags['split-size']),
      parity: parseParity(parity),
      force,
      ...(output === undefined ? {} : { output }),
      signal,
      notify: terminal.say,
      onProgress: terminal.onProgress,
    });
    return {
      json: result,
      text: facts([
        ...partRows(result.parts),
        ['bundle', formatBytes(result.size)],
        ['set', result.set],
        ['file', `sha256:${result.sha256} (for transfer errors only)`],
      ]),
      summary: {
        what: `split ${named(places)} into ${result.parts.length} parts`,
        size: result.size,
        digest: `sha256:${result.sha256}`,
      },
    };
  },
});
