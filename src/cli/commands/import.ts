import type { ImportOptions, ImportResult } from '../../index.js';
import { isConfigMapLocation } from '../../configmap/place.js';
import { importBundle } from '../../operations/import.js';
import { refuseOptions } from '../options/cluster.js';
import { command } from '../command.js';
import { configMapFlags, configMapImport, configMapOptions } from './import/configmap.js';
import { gatewayFrom, gatewayOptions } from '../options/gateway.js';
import { putRendered, renderBeforeImport } from './import/resources.js';
import { reachFrom, reachOptions } from '../options/network.js';
import { readTrust, trustOptions } from '../options/common.js';
import { resourceOptions } from '../options/resource.js';
import { bundlePlace, sayRepairs } from '../options/split.js';
import { escapeLine } from '../../stream/text.js';
import { named } from '../output/reporters.js';
import { facts } from '../output/table.js';
import { safeDirectoriesFrom, safeDirectoryOption } from '../options/ssh.js';

export default command({
  name: 'import',
  describe: 'Verify a bundle and make it the current release of a volume, all or nothing',
  positionals: { bundle: bundlePlace },
  options: {
    to: {
      type: 'string',
      demandOption: true,
      describe:
        'Directory of the volume, or sftp://USER@HOST/PATH; a plain plugin tree is adopted. Or configmap:NAMESPACE/NAME',
    },
    mode: {
      type: 'string',
      choices: ['merge', 'replace'],
      default: 'merge',
      describe: 'merge adds to what is current; replace leaves exactly the bundle',
    },
    plugin: {
      type: 'string',
      array: true,
      describe: 'Take name[@version], with * and ? (repeatable; default: all)',
    },
    'allow-overwrite': {
      type: 'boolean',
      default: false,
      describe: 'Let the bytes behind an existing name and version change (gateways cache by URL)',
    },
    'allow-downgrade': {
      type: 'boolean',
      default: false,
      describe:
        'Take a bundle older than one seen here; with --trust only where the policy of the set permits it, with ' +
        '--public-key on your word; logged, and marks the release',
    },
    'resources-out': {
      type: 'string',
      describe:
        'Directory, or "-", to write the WasmPlugin resources of the bundle to, as this environment needs them, once it is imported',
    },
    ...resourceOptions,
    force: { type: 'boolean', default: false, describe: 'Replace existing files of resources' },
    ...gatewayOptions,
    ...configMapOptions,
    ...safeDirectoryOption,
    ...trustOptions,
    ...reachOptions,
  },
  examples: [
    ['edge.tar.gz --to /srv/plugin-server --public-key dev.pub', 'Add the bundle to what is served'],
    ['edge.tar.gz --to /srv/plugin-server --trust ./trust', 'Let the policy of the set decide'],
    ['edge.tar.gz --to /srv/plugin-server --public-key dev.pub --mode replace', 'Serve exactly the bundle'],
    [
      'edge.tar.gz --to configmap:higress-system/edge --public-key dev.pub --yaml edge.yaml',
      'Write ConfigMaps for a cluster that has no volume',
    ],
    [
      'edge-resources.tar.gz --to /srv/plugin-server --public-key dev.pub --resources-out ./applied',
      'Also write its WasmPlugin resources, for kubectl apply --server-side',
    ],
    [
      'edge.tar.gz.part001 edge.tar.gz.part002 --to /srv/plugin-server --public-key dev.pub',
      'Take the bundle from its parts, as they are on the media',
    ],
  ],
  async run({ bundle, to, mode, ...flags }, context) {
    const { terminal, signal } = context;
    const configMaps = isConfigMapLocation(to) ? await configMapImport(to, flags, terminal) : undefined;
    if (configMaps === undefined) refuseOptions(configMapFlags(flags), to);
    const options = {
      bundle: bundle.map(String),
      ...(await reachFrom(flags, bundle)),
      onRepair: sayRepairs(terminal),
      to: configMaps?.target ?? to,
      trust: await readTrust(flags, terminal),
      mode: mode === 'replace' ? ('replace' as const) : ('merge' as const),
      include: (flags.plugin ?? []).map(String),
      safeDirectories: safeDirectoriesFrom(flags),
      allowOverwrite: flags['allow-overwrite'],
      allowDowngrade: flags['allow-downgrade'],
      ...(await gatewayFrom(flags)),
      signal,
      notify: terminal.say,
      onProgress: terminal.onProgress,
    } satisfies ImportOptions;
    const rendering = await renderBeforeImport(flags, options, context);
    const result = await importBundle(options);
    for (const warning of result.warnings) terminal.warn(warning);
    const yaml = await configMaps?.finish();
    if (configMaps?.next !== undefined) terminal.say(`next: ${configMaps.next}`);
    const budget = configMaps?.budget();
    const put = await putRendered({ rendering, result, flags }, context);
    if (rendering === undefined && result.resources.length > 0)
      terminal.say(`not applied: ${result.resources.length} WasmPlugins; see "plugferry render resources"`);
    return {
      json: {
        ...result,
        ...(budget === undefined ? {} : { budget }),
        ...(yaml === undefined ? {} : { yaml }),
        ...put.json,
      },
      text: yaml?.trimEnd() ?? describe(result, configMaps?.next !== undefined),
      ...(put.text === undefined ? {} : { exact: put.text }),
      summary: {
        what: `imported ${named(bundle)} into ${result.volume}`,
        size: result.totalSize,
        digest: `release ${result.release}`,
      },
    };
  },
});

function describe(result: ImportResult, isToApply: boolean): string {
  const { outcome, release, previous, changes, authentication, volume } = result;
  const lists = Object.entries(changes).filter(([, ids]) => ids.length > 0);
  return [
    outcome === 'unchanged'
      ? `UNCHANGED: ${escapeLine(volume)} held exactly this already.`
      : isToApply
        ? `WRITTEN: ${escapeLine(volume)} has release ${release.slice(0, 12)}, once it is applied.`
        : `IMPORTED: ${escapeLine(volume)} now serves release ${release.slice(0, 12)}.`,
    '',
    facts([
      ...lists.map(
        ([what, ids]) => [what, ids.map(({ name, version }) => `${name}@${version}`).join(', ')] as const,
      ),
      ...authentication.signers.map(
        ({ keyId, name, role }) =>
          ['signed by', `${keyId} (${role === undefined ? name : `${name}, ${role}`})`] as const,
      ),
      ...authentication.uncounted.map(
        ({ keyId, name, reason }) =>
          ['not counted', `${keyId} (${name}) is ${reason ?? 'out of use'}`] as const,
      ),
      ...authentication.unknownSigners.map((keyId) => ['unknown key', keyId] as const),
      ...(authentication.skipped ? [['signed by', 'NOT CHECKED'] as const] : []),
      ['release', release],
      ['before', previous ?? 'none'],
    ]),
  ].join('\n');
}
