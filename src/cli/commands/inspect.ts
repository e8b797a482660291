import { inspectBundle } from '../../operations/inspect.js';
import { command } from '../command.js';
import { manifestFacts, pluginTable, variableTable } from '../output/manifest-text.js';
import { reachFrom, reachOptions } from '../options/network.js';
import { bundlePlace, sayRepairs } from '../options/split.js';
import { facts } from '../output/table.js';

export default command({
  name: 'inspect',
  describe: 'Show what a bundle says of itself; nothing is verified',
  positionals: { bundle: bundlePlace },
  options: reachOptions,
  examples: [['edge.tar.gz', 'Who claims to have signed it, and what is inside']],
  async run({ bundle, ...flags }, { terminal, signal }) {
    const inspection = await inspectBundle({
      bundle: bundle.map(String),
      ...(await reachFrom(flags, bundle)),
      onRepair: sayRepairs(terminal),
      signal,
    });
    const { manifest, manifestSha256, claimedSigners } = inspection;
    const variables = variableTable(manifest);
    const signers = claimedSigners.length === 0 ? ['nobody'] : claimedSigners;
    return {
      json: inspection,
      text: [
        'NOT VERIFIED: this is what the bundle says of itself. "plugferry verify" checks it.',
        '',
        manifestFacts(manifest, manifestSha256),
        facts(signers.map((keyId) => ['claims to be signed by', keyId])),
        '',
        pluginTable(manifest),
        ...(variables === undefined ? [] : ['', variables]),
      ].join('\n'),
    };
  },
});
