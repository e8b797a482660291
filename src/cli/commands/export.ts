import type { ExportedResource, ExportOptions, ExportResult, ResourceText } from '../../index.js';
import { exportBundle } from '../../operations/export.js';
import { readResourceTexts } from '../../resource/texts.js';
import { formatBytes } from '../../stream/text.js';
import { command } from '../command.js';
import { gatewayFrom, gatewayOptions } from '../options/gateway.js';
import { networkOptions, reachFrom } from '../options/network.js';
import { readTrust, signerFrom, signFileOption, signingOptions } from '../options/common.js';
import { digestRows, outputOption, proofRows, stdoutFor } from '../options/output.js';
import {
  catalogueFrom,
  catalogueOptions,
  checkFailuresFile,
  describeFailure,
  jobsOf,
  readNamings,
  readPatterns,
  refuseTwoInputs,
  sourceKinds,
  sourceTrustOptions,
  writeFailures,
} from '../options/source.js';
import { registriesFrom, registryOptions } from '../options/registry.js';
import { partRows, splitFrom, splitOptions } from '../options/split.js';
import { facts, table } from '../output/table.js';
import { expiry } from '../options/time.js';
import { sourceDate } from '../options/source-date.js';

/** The exit code of a bundle that lacks what could not be had. */
const partialSuccess = 9;

export default command({
  name: 'export',
  describe: 'Pack plugins into one signed bundle',
  positionals: {
    source: {
      type: 'string',
      array: true,
      demandOption: true,
      describe: `One or more of: ${sourceKinds}`,
    },
  },
  options: {
    output: { ...outputOption, demandOption: true },
    plugin: {
      type: 'string',
      array: true,
      describe: 'Take name[@version], with * and ?, or @FILE with one such a line (repeatable; default: all)',
    },
    exclude: { type: 'string', array: true, describe: 'Leave out; the same forms (repeatable)' },
    as: {
      type: 'string',
      array: true,
      describe:
        'FROM=name@version: how what the source calls FROM (a file, a reference, name@version) is to be called; ' +
        'FROM= may be left out where there is only one thing (repeatable)',
    },
    mapping: { type: 'string', describe: 'File with one FROM=name@version a line' },
    ...catalogueOptions,
    ...registryOptions,
    jobs: {
      type: 'number',
      default: 4,
      describe: 'Most plugins to fetch at once (at most 6 of them from one host)',
    },
    'keep-going': {
      type: 'boolean',
      default: false,
      describe: 'Leave out what cannot be had, list it, and exit with 9',
    },
    failures: {
      type: 'string',
      describe: 'File to write what was left out to; "--plugin @FILE" takes it up again',
    },
    'with-resources': {
      type: 'string',
      array: true,
      describe:
        'WasmPlugin YAML that travels along: a file, a directory, or "-" for what kubectl prints (repeatable); what belongs ' +
        'to the cluster is dropped, secrets are refused',
    },
    'secrets-to-variables': {
      type: 'boolean',
      default: false,
      describe: 'Put a named variable in place of each secret of the resources, and list them',
    },
    set: { type: 'string', default: 'default', describe: 'Name of the plugin set' },
    sequence: {
      type: 'number',
      describe:
        'Number that grows with every bundle of the set, at most 10 years of seconds ahead of now (default: the second of now)',
    },
    epoch: {
      type: 'number',
      describe:
        'Number that the policy of the receiver names, when it has shut out all that came before (default: 1)',
    },
    audience: { type: 'string', array: true, describe: 'Environment the bundle is meant for (repeatable)' },
    'expires-in': { type: 'string', describe: 'How long the bundle may be imported: 12h, 90d, 8w' },
    'expires-at': {
      type: 'string',
      describe: 'Last day or time (UTC) on which it may be imported, YYYY-MM-DD[THH:MM:SSZ]',
    },
    ...splitOptions,
    'with-tool': {
      type: 'boolean',
      default: false,
      describe:
        'Put this program beside the bundle as one file, and a script for where there is no Node.js; includes --sign-file',
    },
    ...gatewayOptions,
    ...signingOptions,
    'sign-file': signFileOption,
    ...sourceTrustOptions,
    ...networkOptions,
    force: { type: 'boolean', default: false, describe: 'Replace existing outputs' },
  },
  examples: [
    ['./plugins -o edge.tar.gz --signing-key dev.key', 'Pack everything, signed'],
    [
      './plugins -o auth.tar.gz --plugin "*-auth" --exclude "*@1.0.0" --signing-key dev.key',
      'Pack a selection',
    ],
    [
      './plugins -o media.tar.gz --split-size 700M --parity 20% --signing-key dev.key',
      'Write media.tar.gz.part001 and so on; any one in five may get lost',
    ],
    [
      './plugins -o hop.tar.gz --with-tool --signing-key dev.key',
      'For a receiver who has nothing else: VERIFY.txt, beside it, says what to do there',
    ],
    [
      './plugins -o edge-resources.tar.gz --set moved --with-resources wasmplugins.yaml --secrets-to-variables --signing-key dev.key',
      'Let the WasmPlugin resources travel along, without their secrets',
    ],
    [
      'edge.tar.gz auth.tar.gz -o both.tar.gz --public-key dev.pub --signing-key dev.key',
      'Merge bundles, after verifying them',
    ],
  ],
  async run(flags, { terminal, signal }) {
    refuseTwoInputs([...flags.source, ...(flags['with-resources'] ?? [])]);
    const split = splitFrom(flags);
    const createdAt = sourceDate(process.env['SOURCE_DATE_EPOCH']);
    const signer = await signerFrom(flags, signal);
    const expiresAt = expiry(flags, createdAt ?? new Date());
    if (signer === undefined)
      terminal.warn('no --signing-key: the bundle will be unsigned, and import refuses it');
    await checkFailuresFile(flags);
    const result = await exportBundle({
      source: flags.source.map(String),
      ...(await reachFrom(flags, flags.source)),
      output: flags.output,
      ...stdoutFor(flags.output, terminal),
      force: flags.force,
      signFile: flags['sign-file'],
      withTool: flags['with-tool'],
      ...(split === undefined ? {} : { split }),
      include: await readPatterns(flags.plugin ?? []),
      exclude: await readPatterns(flags.exclude ?? []),
      namings: await readNamings(flags),
      ...catalogueFrom(flags),
      registries: registriesFrom(flags),
      jobs: jobsOf(flags.jobs),
      keepGoing: flags['keep-going'],
      trust: await readTrust(flags, terminal),
      ...(await resourcesFrom(flags)),
      set: flags.set,
      audience: (flags.audience ?? []).map(String),
      ...(flags.sequence === undefined ? {} : { sequence: flags.sequence }),
      ...(flags.epoch === undefined ? {} : { epoch: flags.epoch }),
      ...(createdAt === undefined ? {} : { createdAt }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(signer === undefined ? {} : { signer }),
      ...(await gatewayFrom(flags)),
      signal,
      notify: terminal.say,
      onProgress: terminal.onProgress,
    });
    for (const note of result.notes) terminal.say(`note: ${note}`);
    for (const failure of result.failures) terminal.warn(`left out ${describeFailure(failure)}`);
    if (flags.failures !== undefined) await writeFailures(flags.failures, result.failures, flags.force);
    const partial = result.failures.length === 0 ? {} : { exit: partialSuccess };
    const summary = {
      what: `exported ${result.file}`,
      size: result.size,
      digest: `sha256:${result.sha256}`,
    };
    return { json: result, text: describe(result), summary, ...partial };
  },
});

interface ResourceFlags {
  readonly 'with-resources': readonly (string | number)[] | undefined;
  readonly 'secrets-to-variables': boolean;
}

async function resourcesFrom({
  'with-resources': places,
  'secrets-to-variables': secretsToVariables,
}: ResourceFlags): Promise<Pick<ExportOptions, 'resources' | 'secretsToVariables'>> {
  if (places === undefined) return {};
  const texts: ResourceText[] = [];
  for (const place of places) texts.push(...(await readResourceTexts(String(place), process.stdin)));
  return { resources: texts, secretsToVariables };
}

function describe(result: ExportResult): string {
  const rows = result.plugins.map(({ name, version, size, sha256, sameAs }) => [
    name,
    version,
    formatBytes(size),
    sha256.slice(0, 16),
    sameAs === undefined ? '' : `same bytes as ${sameAs}`,
  ]);
  return [
    table(['PLUGIN', 'VERSION', 'SIZE', 'SHA256', ''], rows),
    '',
    ...resourceLines(result.resources),
    facts([
      ...partRows(result.parts ?? []),
      ['bundle', `${result.file} (${formatBytes(result.size)}, ${result.plugins.length} plugins)`],
      ...proofRows(result.proof),
      ...digestRows(result.digestFiles),
      ...(result.failures.length === 0 ? [] : [['LEFT OUT', `${result.failures.length} plugins`] as const]),
      ...(result.tool ?? []).map(({ file, sha256 }) => ['beside it', `${file} sha256:${sha256}`] as const),
      ['set', `${result.set}, sequence ${result.sequence}`],
      ['signed by', result.signedBy ?? 'nobody'],
      ['manifest', `sha256:${result.manifestSha256}`],
      ['file', `sha256:${result.sha256} (for transfer errors only)`],
    ]),
  ].join('\n');
}

/** Each resource, and below it where a variable stands for what. */
function resourceLines(resources: readonly ExportedResource[]): string[] {
  if (resources.length === 0) return [];
  const rows = resources.flatMap(({ name, variables }) => [
    [name, '', ''],
    ...variables.map((variable) => ['', variable.name, variable.path]),
  ]);
  return [table(['RESOURCE', 'VARIABLE', 'IN PLACE OF'], rows), ''];
}
