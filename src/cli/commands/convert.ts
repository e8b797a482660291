import { convertBundle } from '../../operations/convert.js';
import { formatBytes } from '../../stream/text.js';
import { command } from '../command.js';
import { reachFrom, reachOptions } from '../options/network.js';
import { requiredSigner, signerFrom, signFileOption, signingOptions } from '../options/common.js';
import { digestRows, outputOption, proofRows, stdoutFor } from '../options/output.js';
import { facts } from '../output/table.js';

export default command({
  name: 'convert',
  describe:
    'Rewrite a bundle as .tar.gz or .zip; nothing is verified here, signatures stay valid for the receiver',
  positionals: {
    bundle: {
      type: 'string',
      demandOption: true,
      describe: 'Bundle: a path, - (standard input), sftp:// or http(s)://',
    },
  },
  options: {
    output: { ...outputOption, demandOption: true },
    'sign-file': signFileOption,
    ...signingOptions,
    ...reachOptions,
    force: { type: 'boolean', default: false, describe: 'Replace an existing output' },
  },
  examples: [
    ['edge.tar.gz -o edge.zip', 'For a site where only zip files may pass'],
    [
      'edge.zip -o back.tar.gz --sign-file --signing-key dev.key',
      'For a receiver with stock tools: the hop says which file it made',
    ],
  ],
  async run({ bundle, output, force, ...flags }, { terminal, signal }) {
    const fileSigner = flags['sign-file'] ? requiredSigner(await signerFrom(flags, signal)) : undefined;
    const result = await convertBundle({
      bundle,
      ...(await reachFrom(flags, [bundle])),
      output,
      ...stdoutFor(output, terminal),
      force,
      ...(fileSigner === undefined ? {} : { fileSigner }),
      signal,
      notify: terminal.say,
      onProgress: terminal.onProgress,
    });
    const { file, size, sha256, manifestSha256, claimedSigners, proof, digestFiles } = result;
    const signers = claimedSigners.length === 0 ? ['nobody'] : claimedSigners;
    return {
      json: result,
      text: [
        'CONVERTED, NOT AUTHENTICATED: every byte fits the manifest, but no signature was checked.',
        'Manifest and signatures are carried unchanged; whoever receives the bundle verifies them.',
        '',
        facts([
          ['bundle', `${file} (${formatBytes(size)})`],
          ...proofRows(proof),
          ...digestRows(digestFiles),
          ...signers.map((keyId) => ['claims to be signed by', keyId] as const),
          ['manifest', `sha256:${manifestSha256}`],
          ['file', `sha256:${sha256} (for transfer errors only)`],
        ]),
      ].join('\n'),
      summary: { what: `converted ${file}`, size, digest: `sha256:${sha256}` },
    };
  },
});
