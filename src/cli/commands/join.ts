import { joinParts } from '../../operations/join.js';
import { formatBytes } from '../../stream/text.js';
import { command } from '../command.js';
import { repairLines } from '../options/split.js';
import { facts } from '../output/table.js';

export default command({
  name: 'join',
  describe:
    'Put the parts of a bundle together again, repairing them where parity allows; nothing is authenticated',
  positionals: {
    parts: {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'Part files in any order, or a directory of them',
    },
  },
  options: {
    output: { alias: 'o', type: 'string', demandOption: true, describe: 'Bundle file to write' },
    force: { type: 'boolean', default: false, describe: 'Replace an existing output file' },
  },
  examples: [
    [
      'edge.tar.gz.part001 edge.tar.gz.part002 -o joined.tar.gz',
      'Names every part that is missing or damaged, or repairs it',
    ],
  ],
  async run({ parts, output, force }, { terminal, signal }) {
    const result = await joinParts({
      parts,
      output,
      force,
      signal,
      notify: terminal.say,
      onProgress: terminal.onProgress,
    });
    for (const line of repairLines(result.repaired)) terminal.warn(line);
    return {
      json: result,
      text: [
        'JOINED, NOT AUTHENTICATED: every byte is what the parts say; "plugferry verify" checks who signed it.',
        '',
        facts([
          ['bundle', `${result.file} (${formatBytes(result.size)})`],
          ['repaired', `${result.repaired.length} parts`],
          ['set', result.set],
          ['file', `sha256:${result.sha256} (for transfer errors only)`],
        ]),
      ].join('\n'),
      summary: { what: `joined ${result.file}`, size: result.size, digest: `sha256:${result.sha256}` },
    };
  },
});
