import { push } from '../../operations/push.js';
import { formatBytes } from '../../stream/text.js';
import { command } from '../command.js';
import { accessFrom, networkOptions } from '../options/network.js';
import { proofRows } from '../options/output.js';
import { facts } from '../output/table.js';

export default command({
  name: 'push',
  describe: 'Send a file to an SSH or web server, going on where an earlier run broke off (SSH)',
  positionals: {
    file: { type: 'string', demandOption: true, describe: 'File to send, or - for standard input' },
    location: {
      type: 'string',
      demandOption: true,
      describe: 'sftp://USER@HOST/PATH or http(s)://HOST/PATH (by PUT); ending in / for a directory',
    },
  },
  options: {
    ...networkOptions,
    force: { type: 'boolean', default: false, describe: 'Replace a file that is there' },
  },
  examples: [['edge.tar.gz https://files.example/in/', 'Put it there under its own name']],
  async run({ file, location, force, ...flags }, { terminal, signal }) {
    const result = await push({
      file: file === '-' ? process.stdin : file,
      location,
      access: await accessFrom(flags),
      force,
      signal,
      notify: terminal.say,
      onProgress: terminal.onProgress,
    });
    const { to, size, sha256, resumedAt, proof } = result;
    return {
      json: result,
      text: facts([
        ['sent to', `${to} (${formatBytes(size)})`],
        ...(resumedAt > 0 ? [['was there', formatBytes(resumedAt)] as const] : []),
        ...proofRows(proof),
        ['file', `sha256:${sha256} (for transfer errors only)`],
      ]),
      summary: { what: `sent ${to}`, size, digest: `sha256:${sha256}` },
    };
  },
});
