import type { RenderedResource, Rendering, RenderOptions, ResourceText } from '../../index.js';
import { parseOverlays } from '../../resource/overlay.js';
import { readResourceTexts } from '../../resource/texts.js';
import { parseValues } from '../../resource/values.js';
import { refuseExistingResources, writeResources } from '../../operations/write-resources.js';
import { PlugferryError } from '../../errors.js';
import { isDirectory } from '../../files/open-regular.js';
import type { OptionTable } from '../option-table.js';
import type { Terminal } from '../output/terminal.js';

/** Options of every command that renders resources. */
export const resourceOptions = {
  'base-url': {
    type: 'string',
    describe:
      'Where gateways reach the plugin server; /plugins/<name>/<version>/plugin.wasm is put behind it. Also file:///... of their ' +
      'own disk (default: http://higress-plugin-server.higress-system.svc, standalone http://plugin-server:8080)',
  },
  namespace: { type: 'string', describe: 'Namespace to put the resources into (default: the one they had)' },
  overlay: {
    type: 'string',
    describe:
      'YAML file with a JSON merge patch for each resource that is different here, by name; "*" is for all',
  },
  variables: {
    type: 'string',
    describe:
      'YAML file with the values of variables, NAME: "value"; also taken from the environment, as PLUGFERRY_VARIABLE_<NAME>',
  },
  for: {
    type: 'string',
    choices: ['kubernetes', 'standalone'],
    default: 'kubernetes',
    describe: 'What reads the directory: kubectl, <name>.yaml; a standalone Higress, wasmplugins/<name>.yaml',
  },
} as const satisfies OptionTable;

export interface ResourceFlags {
  readonly 'base-url': string | undefined;
  readonly namespace: string | undefined;
  readonly overlay: string | undefined;
  readonly variables: string | undefined;
  readonly for: string;
}

type Settings = Pick<RenderOptions, 'baseUrl' | 'namespace' | 'overlays' | 'value'>;

/** What the options say of the environment that resources are rendered for. */
export async function renderSettings(flags: ResourceFlags): Promise<Settings> {
  const { overlay, variables, namespace } = flags;
  const overlays = await textOf('overlay', overlay);
  const values = await textOf('variables', variables);
  const given = values === undefined ? undefined : parseValues(values);
  if (namespace !== undefined && !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new PlugferryError('E_USAGE', `--namespace: "${namespace}" is no name of a namespace`, {
      hint: 'It has lower-case letters, digits and "-", at most 63 characters.',
      details: { found: namespace },
    });
  }
  return {
    baseUrl: baseUrl(flags),
    ...(namespace === undefined ? {} : { namespace }),
    ...(overlays === undefined ? {} : { overlays: parseOverlays(overlays) }),
    value: (name) => given?.get(name) ?? process.env[`PLUGFERRY_VARIABLE_${name}`],
  };
}

async function textOf(option: string, location: string | undefined): Promise<ResourceText | undefined> {
  if (location === undefined) return undefined;
  if (!(await isDirectory(location))) return (await readResourceTexts(location, process.stdin))[0];
  throw new PlugferryError('E_USAGE', `--${option}: ${location} is a directory, expected a file`, {
    hint: 'Give one YAML file.',
    details: { file: location, expected: 'a file' },
  });
}

function baseUrl({ 'base-url': url, for: layout }: ResourceFlags): string {
  if (url === undefined) {
    return layout === 'standalone'
      ? 'http://plugin-server:8080'
      : 'http://higress-plugin-server.higress-system.svc';
  }
  if (/^(?:https?:\/\/[^/?#\s@]+|file:\/\/)(?:\/[^?#\s]*)?$/i.test(url) && URL.canParse(url)) return url;
  throw new PlugferryError('E_USAGE', `--base-url: "${url}" is no place of a plugin server`, {
    hint: 'Write it as http://host:8080 or file:///opt, without login, query and /plugins/<name>/<version>/plugin.wasm.',
    details: { found: url, expected: 'http(s)://host[:port]/ or file:///...' },
  });
}

/** Where rendered resources go: a directory, or `-` for standard output. */
export interface Destination {
  readonly out: string;
  readonly flags: ResourceFlags;
  readonly force: boolean;
  readonly signal: AbortSignal;
}

/** Fails early where {@link putResources} would fail. */
export async function checkDestination({ resources }: Rendering, destination: Destination): Promise<void> {
  if (destination.out !== '-') await refuseExistingResources(resources, target(destination));
}

/** What was written, as data and, where it goes to standard output, as text. */
export interface PutResources {
  readonly json: unknown;
  readonly text: string | undefined;
}

/** Writes the resources and says what is different in them, and what else must be told to Higress. */
export async function putResources(
  rendering: Rendering,
  destination: Destination,
  terminal: Terminal,
): Promise<PutResources> {
  const { resources, environment } = rendering;
  const toStdout = destination.out === '-';
  const files = toStdout ? undefined : await writeResources(resources, target(destination));
  for (const resource of resources) for (const line of changeLines(resource)) terminal.say(line);
  for (const { component, name, value, note } of environment)
    terminal.say(`for ${component}: ${name}='${value}' (${note})`);
  const rows = resources.map(({ text, ...resource }, index) =>
    files === undefined ? { ...resource, text } : { ...resource, file: files[index] },
  );
  return {
    json: { resources: rows, environment },
    text: toStdout ? resources.map(({ text }) => text).join('---\n') : undefined,
  };
}

function target({ out, flags, force, signal }: Destination): Parameters<typeof writeResources>[1] {
  return { directory: out, layout: flags.for === 'standalone' ? 'standalone' : 'kubernetes', force, signal };
}

/** Values of overlays and variables are not shown: they may be secret. */
function changeLines({ name, retargeted, overlaid, filled }: RenderedResource): string[] {
  return [
    ...retargeted.map(({ path, from, to }) =>
      to === undefined
        ? `${name}: ${path} removed`
        : `${name}: ${path} ${from === undefined ? 'set to' : `changed from ${from} to`} ${to}`,
    ),
    ...overlaid.map(({ path, what }) => `${name}: ${path} ${what} by the overlay`),
    ...filled.map((variable) => `${name}: ${variable.path} filled from ${variable.name}`),
  ];
}
