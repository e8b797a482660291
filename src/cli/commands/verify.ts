import { verifyBundle } from '../../index.js';
import { command } from '../command.js';
import { manifestFacts } from '../manifest-text.js';
import { readTrust, trustOptions } from '../options.js';
import { facts } from '../table.js';

export default command({
  name: 'verify',
  describe: 'Check the signature and every byte of a bundle; write nothing',
  positionals: { bundle: { type: 'string', demandOption: true, describe: 'Bundle file' } },
  options: trustOptions,
  examples: [['edge.tar.gz --public-key dev.pub', 'Succeeds only when dev signed exactly this']],
  async run({ bundle, ...flags }, { terminal, signal }) {
    const trust = await readTrust(flags, terminal);
    const { manifest, manifestSha256, authentication } = await verifyBundle({ bundle, trust, signal });
    const { signers, unknownSigners, skipped } = authentication;
    return {
      json: { verified: !skipped, manifestSha256, signers, unknownSigners, manifest },
      text: [
        skipped
          ? 'INTACT, BUT NOT AUTHENTICATED: the signature was not checked.'
          : 'VERIFIED: signature and every byte.',
        '',
        facts([
          ...signers.map(({ keyId, name }) => ['signed by', `${keyId} (${name})`] as const),
          ...unknownSigners.map(
            (keyId) => ['also claims', `${keyId} (unknown key; counts for nothing)`] as const,
          ),
          [
            'checked',
            `${manifest.files.length} files of ${manifest.plugins.length} plugins: size, sha256, md5`,
          ],
        ]),
        manifestFacts(manifest, manifestSha256),
      ].join('\n'),
    };
  },
});
