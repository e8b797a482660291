import { pull } from '../../operations/pull.js';
import { formatBytes } from '../../stream/text.js';
import { command } from '../command.js';
import { accessFrom, pinOf, reachOptions } from '../options/network.js';
import { facts } from '../output/table.js';

export default command({
  name: 'pull',
  describe:
    'Fetch a file from an SSH or web server, going on where an earlier run broke off; nothing is verified',
  positionals: {
    location: {
      type: 'string',
      demandOption: true,
      describe: 'sftp://USER@HOST/PATH or http(s)://HOST/PATH',
    },
  },
  options: {
    output: {
      alias: 'o',
      type: 'string',
      describe: 'File to write, or - for standard output (default: the name that it has there)',
    },
    ...reachOptions,
    force: { type: 'boolean', default: false, describe: 'Replace an existing output file' },
  },
  examples: [
    [
      'https://files.example/in/edge.tar.gz -o fetched.tar.gz',
      'Fetch it; the same line again goes on after a broken connection',
    ],
  ],
  async run({ location, output, sha256, force, ...flags }, { terminal, signal }) {
    const result = await pull({
      location,
      output: output === '-' ? terminal.bytes() : output,
      access: await accessFrom(flags),
      ...(sha256 === undefined ? {} : { sha256: pinOf(sha256) }),
      force,
      signal,
      notify: terminal.say,
      onProgress: terminal.onProgress,
    });
    const { file = 'standard output', from, size, resumedAt, pinned } = result;
    return {
      json: result,
      text: facts([
        ['file', `${file} (${formatBytes(size)})`],
        ['from', from],
        ...(resumedAt > 0 ? [['was here', formatBytes(resumedAt)] as const] : []),
        ['sha256', `${result.sha256} (${pinned ? 'as asked for' : 'compared with nothing'})`],
      ]),
      summary: { what: `fetched ${file}`, size, digest: `sha256:${result.sha256}` },
    };
  },
});
