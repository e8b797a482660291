import { exportBundle, type ExportResult } from '../../index.js';
import { PlugferryError } from '../../errors.js';
import { formatBytes } from '../../io/text.js';
import { command } from '../command.js';
import { gatewayFrom, gatewayOptions } from '../gateway-options.js';
import { signerFrom, signingOptions } from '../options.js';
import { facts, table } from '../table.js';
import { pointInTime, timeAfter } from '../time-options.js';

export default command({
  name: 'export',
  describe: 'Pack plugins into one signed bundle',
  positionals: {
    source: {
      type: 'string',
      demandOption: true,
      describe:
        'Plugin tree (a directory that holds plugins/, or that itself), or http(s) URL of a plugin server',
    },
  },
  options: {
    output: {
      alias: 'o',
      type: 'string',
      demandOption: true,
      describe: 'Bundle file to write (.tar.gz or .zip)',
    },
    plugin: {
      type: 'string',
      array: true,
      describe: 'Take name[@version], with * and ? (repeatable; default: all)',
    },
    exclude: { type: 'string', array: true, describe: 'Leave out name[@version], with * and ? (repeatable)' },
    set: { type: 'string', default: 'default', describe: 'Name of the plugin set' },
    sequence: {
      type: 'number',
      describe: 'Number that grows with every bundle of the set (default: the second of now)',
    },
    epoch: {
      type: 'number',
      describe: 'Number that is raised when the receiver has shut out all that came before (default: 1)',
    },
    audience: { type: 'string', array: true, describe: 'Environment the bundle is meant for (repeatable)' },
    'expires-in': { type: 'string', describe: 'How long the bundle may be imported: 12h, 90d, 8w' },
    'expires-at': {
      type: 'string',
      describe: 'Last day or time (UTC) on which it may be imported, YYYY-MM-DD[THH:MM:SSZ]',
    },
    ...gatewayOptions,
    ...signingOptions,
    force: { type: 'boolean', default: false, describe: 'Replace an existing output file' },
  },
  examples: [
    ['./plugins -o edge.tar.gz --signing-key dev.key', 'Pack everything, signed'],
    [
      './plugins -o auth.tar.gz --plugin "*-auth" --exclude "*@1.0.0" --signing-key dev.key',
      'Pack a selection',
    ],
  ],
  async run(flags, { terminal, signal }) {
    const createdAt = sourceDate(process.env['SOURCE_DATE_EPOCH']);
    const signer = await signerFrom(flags, signal);
    const expiresAt = expiry(flags, createdAt ?? new Date());
    if (signer === undefined)
      terminal.warn('no --signing-key: the bundle will be unsigned, and import refuses it');
    const result = await exportBundle({
      source: flags.source,
      output: flags.output,
      force: flags.force,
      include: (flags.plugin ?? []).map(String),
      exclude: (flags.exclude ?? []).map(String),
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
    });
    for (const note of result.notes) terminal.say(`note: ${note}`);
    return { json: result, text: describe(result) };
  },
});

interface ExpiryFlags {
  readonly 'expires-in': string | undefined;
  readonly 'expires-at': string | undefined;
}

function expiry(
  { 'expires-in': span, 'expires-at': moment }: ExpiryFlags,
  createdAt: Date,
): Date | undefined {
  if (span !== undefined && moment !== undefined) {
    throw new PlugferryError('E_USAGE', '--expires-in and --expires-at contradict each other', {
      hint: 'Give one of them.',
    });
  }
  if (span !== undefined) return timeAfter('expires-in', span, createdAt);
  const time = pointInTime('expires-at', moment, 'end');
  return time === undefined ? undefined : new Date(time);
}

/** SOURCE_DATE_EPOCH as reproducible-builds.org defines it: whole seconds since 1970. */
function sourceDate(value: string | undefined): Date | undefined {
  if (value === undefined || value === '') return undefined;
  if (/^\d{1,11}$/.test(value)) return new Date(Number(value) * 1000);
  throw new PlugferryError('E_USAGE', `SOURCE_DATE_EPOCH is "${value}", expected seconds since 1970`, {
    hint: 'Set it to a whole number, for example $(git log -1 --format=%ct), or unset it.',
    details: { found: value },
  });
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
    facts([
      ['bundle', `${result.file} (${formatBytes(result.size)}, ${result.plugins.length} plugins)`],
      ['set', `${result.set}, sequence ${result.sequence}`],
      ['signed by', result.signedBy ?? 'nobody'],
      ['manifest', `sha256:${result.manifestSha256}`],
      ['file', `sha256:${result.sha256} (for transfer errors only)`],
    ]),
  ].join('\n');
}
