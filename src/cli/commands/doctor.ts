import type { DoctorFinding, DoctorResult, ResourceText } from '../../index.js';
import { openCatalogue } from '../../catalogue/open.js';
import { clusterWasmPlugins } from '../../operations/cluster-resources.js';
import { doctor } from '../../operations/doctor.js';
import { readConsoleSpecs } from '../../resource/plugin-spec.js';
import { readResourceTexts } from '../../resource/texts.js';
import { PlugferryError } from '../../errors.js';
import { escapeLine, formatBytes } from '../../stream/text.js';
import { clusterFrom, clusterOptions } from '../options/cluster.js';
import { command } from '../command.js';
import { gatewayFrom, gatewayOptions } from '../options/gateway.js';
import { networkOptions, reachFrom } from '../options/network.js';
import { readSigners, signerOptions } from '../options/common.js';
import { table } from '../output/table.js';

/** The exit code when something is wrong. */
const somethingFound = 20;

/** The options of kubectl, in the words of this command. */
const contextOptions = {
  kubeconfig: {
    ...clusterOptions.kubeconfig,
    describe: clusterOptions.kubeconfig.describe.replace(/^For configmap:/, 'For --cluster:'),
  },
  context: {
    ...clusterOptions.context,
    describe: clusterOptions.context.describe.replace(/^For configmap:/, 'For --cluster:'),
  },
};

export default command({
  name: 'doctor',
  describe: 'Find out what gateways will ask for and not get, before they ask',
  positionals: {
    place: {
      type: 'string',
      demandOption: true,
      describe:
        'What holds the plugins: a bundle, a volume, VOLUME@ID, a plugin tree, or the URL of a plugin server',
    },
  },
  options: {
    resources: {
      type: 'string',
      describe:
        'WasmPlugin resources: a file, a directory, or "-" for "kubectl get wasmplugins -A -o yaml | ..."',
    },
    cluster: {
      type: 'boolean',
      default: false,
      describe: 'WasmPlugin resources of all namespaces of the cluster that kubectl would ask',
    },
    ...contextOptions,
    'console-pattern': {
      type: 'string',
      describe: 'URL pattern of the Console: its HIGRESS_ADMIN_WASM_PLUGIN_CUSTOM_IMAGE_URL_PATTERN',
    },
    'console-specs': {
      type: 'string',
      describe: 'Directory with the spec.yaml of each plugin that the Console offers',
    },
    catalogue: {
      type: 'string',
      describe:
        'Text that names plugins (Higress release snapshot, plugins.properties, lock file, Helm values): all of it must be there',
    },
    'mcp-url': {
      type: 'string',
      describe: "URL for MCP servers: the controller's MCP_SERVER_WASM_IMAGE_URL",
    },
    'base-url': {
      type: 'string',
      describe: 'Where gateways reach the plugin server; what is asked of any other place is a finding',
    },
    probe: {
      type: 'string',
      describe: 'URL of a running plugin server: fetch every plugin from it as a gateway does',
    },
    orphans: { type: 'boolean', default: false, describe: 'Report also modules to which nothing refers' },
    'gateway-profile': {
      ...gatewayOptions['gateway-profile'],
      describe: gatewayOptions['gateway-profile'].describe.replace(/^Refuse/, 'Report'),
    },
    ...signerOptions,
    ...networkOptions,
  },
  examples: [
    ['/srv/plugin-server --resources wasmplugins.yaml', 'Whether every WasmPlugin will find its module'],
    [
      'edge.tar.gz --resources wasmplugins.yaml --public-key dev.pub',
      'The same, before the bundle is imported',
    ],
    ['/srv/plugin-server --gateway-profile higress-no-files', 'Whether the gateway can run what is served'],
  ],
  async run(flags, { terminal, signal }) {
    const { 'mcp-url': mcpUrl, 'base-url': baseUrl, probe, orphans, place } = flags;
    for (const name of ['base-url', 'probe'] as const) requireHttp(name, flags[name]);
    const result = await doctor({
      place,
      resources: await resourcesOf(flags, signal),
      console: await consoleOf(flags),
      mcpUrl,
      baseUrl,
      probe,
      orphans,
      ...(await gatewayFrom(flags)),
      ...(await reachFrom(flags, [place])),
      catalogue: await catalogueOf(flags.catalogue),
      trust: await readSigners(flags),
      signal,
      onProgress: terminal.onProgress,
    });
    for (const note of result.notes) terminal.say(`note: ${note}`);
    return {
      json: result,
      text: describe(result),
      ...(result.findings.length > 0 ? { exit: somethingFound } : {}),
    };
  },
});

async function consoleOf(flags: {
  readonly 'console-pattern': string | undefined;
  readonly 'console-specs': string | undefined;
}) {
  const { 'console-pattern': pattern, 'console-specs': specs } = flags;
  if (pattern !== undefined && specs !== undefined) return { pattern, specs: await readConsoleSpecs(specs) };
  if (pattern === undefined && specs === undefined) return undefined;
  throw new PlugferryError('E_USAGE', '--console-pattern and --console-specs need each other', {
    hint: 'The Console makes each URL from its pattern and the name and version in the spec.yaml of a plugin.',
  });
}

async function resourcesOf(
  flags: Parameters<typeof clusterFrom>[0] & {
    readonly resources: string | undefined;
    readonly cluster: boolean;
  },
  signal: AbortSignal,
): Promise<ResourceText[] | undefined> {
  const { resources, cluster } = flags;
  if (resources === undefined && !cluster) return undefined;
  return [
    ...(resources === undefined ? [] : await readResourceTexts(resources, process.stdin)),
    ...(cluster ? [await clusterWasmPlugins(await clusterFrom(flags), signal)] : []),
  ];
}

const catalogueOf = async (location: string | undefined) =>
  location === undefined ? undefined : openCatalogue(location, { stdin: process.stdin, kind: undefined });

function requireHttp(option: string, value: string | undefined): void {
  if (value === undefined || /^https?:\/\/[^/?#]+(?:\/[^?#]*)?$/i.test(value)) return;
  throw new PlugferryError('E_USAGE', `--${option} is "${value}", expected an http or https URL`, {
    hint: 'Write it as http://host:8080/; /plugins/<name>/<version>/plugin.wasm is put behind it.',
    details: { found: value, expected: 'http(s)://host[:port]/' },
  });
}

function describe({ place, references, asked, findings, probed }: DoctorResult): string {
  const summary =
    findings.length === 0
      ? `nothing found: ${place.location} has what ${references} references ask for (${asked} plugins)`
      : `${findings.length} findings, ${references} references to ${asked} plugins`;
  return [
    ...findings.map(findingText),
    ...(probed.length === 0
      ? []
      : [
          table(
            ['PROBED', 'SIZE', 'SHA256', ''],
            probed.map((plugin) =>
              plugin.problem === undefined
                ? [
                    `${plugin.name}@${plugin.version}`,
                    formatBytes(plugin.size),
                    plugin.sha256.slice(0, 16),
                    [`${plugin.milliseconds} ms`, ...plugin.boxes].join(', '),
                  ]
                : [`${plugin.name}@${plugin.version}`, '-', '-', plugin.problem],
            ),
          ),
          '',
        ]),
    summary,
  ].join('\n');
}

function findingText({ kind, who, file, line, problem, mend }: DoctorFinding): string {
  const where = file === undefined ? '' : ` (${file}${line === undefined ? '' : `:${line}`})`;
  const subject = who === null ? '' : `${who}${where} `;
  return `${kind}: ${escapeLine(`${subject}${problem}`)}\n  mend: ${escapeLine(mend)}\n`;
}
