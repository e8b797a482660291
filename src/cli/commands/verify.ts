import { isPlugferryError, verifyBundle, type Verification, type VerifyOptions } from '../../index.js';
import { command, type Context } from '../command.js';
import { manifestFacts } from '../manifest-text.js';
import { readTrust, trustOptions } from '../options.js';
import { checksOf, checkTable } from '../trust-text.js';

export default command({
  name: 'verify',
  describe: 'Check signatures, policy and every byte of a bundle; write nothing',
  positionals: { bundle: { type: 'string', demandOption: true, describe: 'Bundle file' } },
  options: trustOptions,
  examples: [
    ['edge.tar.gz --public-key dev.pub', 'Succeeds only when dev signed exactly this'],
    ['edge.tar.gz --trust ./trust', 'Succeeds only when it meets the policy of its set'],
  ],
  async run({ bundle, ...flags }, { terminal, signal }) {
    const trust = await readTrust(flags, terminal);
    const { manifest, manifestSha256, authentication, checks } = await verify(
      { bundle, trust, signal },
      terminal,
    );
    const { signers, uncounted, unknownSigners, skipped } = authentication;
    return {
      json: { verified: !skipped, manifestSha256, signers, uncounted, unknownSigners, checks, manifest },
      text: [
        skipped
          ? 'INTACT, BUT NOT AUTHENTICATED: the signature was not checked.'
          : 'VERIFIED: signature and every byte.',
        '',
        checkTable(checks),
        '',
        manifestFacts(manifest, manifestSha256),
      ].join('\n'),
    };
  },
});

/** A refusal comes with the checks that led to it. */
async function verify(options: VerifyOptions, terminal: Context['terminal']): Promise<Verification> {
  try {
    return await verifyBundle(options);
  } catch (error) {
    const checks = isPlugferryError(error) ? checksOf(error) : [];
    if (checks.length > 0) terminal.say(`${checkTable(checks)}\n`);
    throw error;
  }
}
