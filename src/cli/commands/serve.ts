import type { Readiness, ServeOptions } from '../../index.js';
import { servePlugins } from '../../operations/serve.js';
import { isPlugferryError, PlugferryError } from '../../errors.js';
import { accessLog } from '../output/access-log.js';
import { command, type Context } from '../command.js';
import { readTrust, trustOptions } from '../options/common.js';
import { importBeforeServing, serveImportOptions } from './serve/import.js';

export default command({
  name: 'serve',
  describe: 'Serve a volume or a plugin tree at the URLs of higress-plugin-server',
  positionals: { root: { type: 'string', describe: 'Directory of the volume or tree' } },
  options: {
    port: { alias: 'p', type: 'number', default: 8080, describe: 'Port to listen on; 0 takes any free one' },
    host: { type: 'string', default: '127.0.0.1', describe: 'Address to listen on; 0.0.0.0 for all' },
    'metrics-port': {
      type: 'number',
      describe: 'Answer /metrics on this port instead, on the same host; 0 takes any free one',
    },
    'drain-seconds': {
      type: 'number',
      default: 10,
      describe: 'How long downloads under way may go on after a stop',
    },
    'from-configmaps': {
      type: 'string',
      describe:
        'In place of a volume: directory where the ConfigMaps of "import --to configmap:" are mounted; signatures are checked again at ' +
        'the start and at each change',
    },
    'allow-selection': {
      type: 'boolean',
      default: false,
      describe:
        'With --from-configmaps: serve also what "import --plugin" took of a bundle; who may write the ConfigMaps may then leave out any plugin',
    },
    ...serveImportOptions,
    ...trustOptions,
    'access-log': { type: 'boolean', default: true, describe: 'Log one line a request on stderr' },
  },
  examples: [
    ['/srv/plugin-server --host 0.0.0.0', 'What a gateway in the cluster loads its plugins from'],
    ['./plugins --port 9000', 'A tree that Plugferry never touched'],
    [
      '--import edge.tar.gz --volume ./served --public-key dev.pub',
      'Import first, and serve nothing where that is refused',
    ],
    ['--from-configmaps /plugins --public-key dev.pub --host 0.0.0.0', 'In a pod, from mounted ConfigMaps'],
  ],
  async run({ root, port, host, ...flags }, context) {
    const { terminal, signal } = context;
    const place = rootFrom(root ?? flags.volume, flags, terminal);
    if (root !== undefined && flags.volume !== undefined) throw placeTwice(root, flags.volume);
    const imported = await importBeforeServing(flags, context);
    context.finishesItself();
    const server = await servePlugins(
      {
        root: place,
        onChange: (change) => {
          if ('refused' in change)
            terminal.warn(`the change is refused, the release before goes on: ${reasonOf(change.refused)}`);
          else {
            for (const note of server.notes) terminal.say(`note: ${note}`);
            terminal.say(`now serving ${change.plugins} plugins of ${nameOf(change)}`);
          }
        },
        onWait: (reason) => {
          terminal.warn(
            `nothing is served yet, all requests get 503, and it is looked for again: ${reasonOf(reason)}`,
          );
        },
        host,
        port,
        drainSeconds: flags['drain-seconds'],
        metricsPort: flags['metrics-port'],
        ...(flags['access-log'] ? { log: accessLog(terminal, process.stderr) } : {}),
      },
      signal,
    );
    process.on('SIGHUP', server.reload);
    try {
      const { plugins, release } = await server.ready;
      for (const note of server.notes) terminal.say(`note: ${note}`);
      terminal.say(`serving ${plugins} plugins of ${nameOf({ release })} at ${server.url}/plugins/`);
      if (server.metricsUrl !== undefined) terminal.say(`metrics at ${server.metricsUrl}/metrics`);
      await aborted(signal);
      terminal.say('stopping: downloads under way may finish');
    } finally {
      await server.close();
      process.off('SIGHUP', server.reload);
    }
    return { json: { stopped: true, url: server.url, ...(imported && { imported }) }, text: '' };
  },
});

const nameOf = ({ release }: Pick<Readiness, 'release'>): string =>
  release === undefined ? 'a plain tree' : `release ${release.slice(0, 12)}`;

const reasonOf = (refused: unknown): string =>
  isPlugferryError(refused) ? `${refused.code}: ${refused.message}` : String(refused);

type RootFlags = Parameters<typeof readTrust>[0] & {
  readonly 'from-configmaps': string | undefined;
  readonly 'allow-selection': boolean;
};

/** What is to be served. A trust store is read anew for each release: it may be mounted, and change, too. */
function rootFrom(
  root: string | undefined,
  flags: RootFlags,
  terminal: Context['terminal'],
): ServeOptions['root'] {
  const directory = flags['from-configmaps'];
  if ((root === undefined) === (directory === undefined)) {
    throw new PlugferryError('E_USAGE', 'give a directory to serve, or --from-configmaps', {
      hint: 'One of them, not both: plugferry serve /srv/plugin-server',
    });
  }
  const { 'allow-selection': allowSelection } = flags;
  if (directory !== undefined) return { directory, allowSelection, trust: () => readTrust(flags, terminal) };
  return root ?? '';
}

const placeTwice = (root: string, volume: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${root} and --volume ${volume} contradict each other`, {
    hint: 'Name the directory to serve once.',
  });

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else
      signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
  });
