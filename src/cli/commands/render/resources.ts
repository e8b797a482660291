import type { ServedPlugin } from '../../../index.js';
import { listPlugins } from '../../../operations/list.js';
import { renderResources } from '../../../operations/render-resources.js';
import { command } from '../../command.js';
import { reachFrom, reachOptions } from '../../options/network.js';
import { readTrust, trustOptions } from '../../options/common.js';
import { putResources, renderSettings, resourceOptions } from '../../options/resource.js';
import { bundlePlace, sayRepairs } from '../../options/split.js';
import { table } from '../../output/table.js';

export default command({
  name: 'render resources',
  describe: 'Write the WasmPlugin resources of a bundle as this environment needs them; nothing is applied',
  positionals: { bundle: bundlePlace },
  options: {
    output: {
      alias: 'o',
      type: 'string',
      default: '-',
      describe: 'Directory to write them to, or "-" for "kubectl apply --server-side -f -"',
    },
    ...resourceOptions,
    volume: {
      type: 'string',
      describe: 'Volume that serves plugins besides those of the bundle; resources may want these, too',
    },
    ...trustOptions,
    ...reachOptions,
    force: { type: 'boolean', default: false, describe: 'Replace existing files' },
  },
  examples: [
    ['edge-resources.tar.gz --public-key dev.pub', 'Print them, for the plugin server of the Helm chart'],
    [
      'edge-resources.tar.gz --public-key dev.pub -o ./manifests --base-url http://plugins.prod:8080 --namespace higress-system',
      'Write one file each, for kubectl apply --server-side',
    ],
    [
      'edge-resources.tar.gz --public-key dev.pub -o ./data --for standalone --overlay prod.yaml',
      'Write them for a standalone Higress, with what is different in prod',
    ],
  ],
  async run({ bundle, volume, output, force, ...flags }, { terminal, signal }) {
    const places = bundle.map(String);
    const reach = await reachFrom(flags, places);
    const rendering = await renderResources({
      bundle: places,
      ...reach,
      trust: await readTrust(flags, terminal),
      ...(await renderSettings(flags)),
      served: volume === undefined ? [] : await servedBy(volume, { access: reach.access, signal }),
      onRepair: sayRepairs(terminal),
      signal,
      onProgress: terminal.onProgress,
    });
    const { json, text } = await putResources(rendering, { out: output, flags, force, signal }, terminal);
    const { manifestSha256, authentication, resources } = rendering;
    const rows = resources.map(({ name, namespace, plugin }) => [
      name,
      namespace ?? '-',
      `${plugin.name}@${plugin.version}`,
    ]);
    return {
      json: { manifestSha256, authentication, ...(json as object) },
      text: table(['RESOURCE', 'NAMESPACE', 'PLUGIN'], rows),
      ...(text === undefined ? {} : { exact: text }),
      summary: { what: `rendered ${resources.length} resources to ${output}` },
    };
  },
});

async function servedBy(
  location: string,
  options: Omit<Parameters<typeof listPlugins>[0], 'location'>,
): Promise<ServedPlugin[]> {
  const { plugins } = await listPlugins({ location, ...options });
  return plugins.flatMap(({ name, version, sha256 }) =>
    sha256 === undefined ? [] : [{ name, version, sha256 }],
  );
}
