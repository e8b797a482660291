/**
 * Writes the profile of an Envoy: `npm run gateway-profile -- BINARY [FILE]`. Nothing in it is from memory: the names to ask for are those
 * of the profiles that are there, of the WebAssembly System Interface and of the functions that an SDK may export; whether each is
 * offered, and of what type, Envoy says.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayProfile } from '../../src/schema/gatewayProfile.js';
import { askAll, envoyBinary, envoyVersion, type Verdict } from './envoy.js';
import { featureModules, pluginModule, typeCodes, typeOf, type PluginParts } from './plugin-module.js';

const profiles = join(process.cwd(), 'examples/gateway-profiles');
const binary = process.argv[2] ?? envoyBinary ?? '';
if (binary === '') throw new Error('give the path of an Envoy binary');
const { version, build } = envoyVersion(binary);

const ask = (parts: readonly PluginParts[]): Promise<Verdict[]> => askAll(binary, parts.map(pluginModule));
const loads = ({ outcome }: Verdict): boolean => outcome === 'loads';

/** Functions that proxy-wasm hosts look up in a module. */
const callbacks = [
  '_initialize _start main malloc proxy_on_memory_allocate __wasm_call_ctors proxy_validate_configuration proxy_on_vm_start',
  'proxy_on_configure proxy_on_tick proxy_on_context_create proxy_on_new_connection proxy_on_downstream_data',
  'proxy_on_upstream_data proxy_on_downstream_connection_close proxy_on_upstream_connection_close',
  'proxy_on_request_headers proxy_on_request_body proxy_on_request_trailers proxy_on_request_metadata',
  'proxy_on_response_headers proxy_on_response_body proxy_on_response_trailers proxy_on_response_metadata',
  'proxy_on_http_call_response proxy_on_grpc_receive proxy_on_grpc_close proxy_on_grpc_create_initial_metadata',
  'proxy_on_grpc_receive_initial_metadata proxy_on_grpc_receive_trailing_metadata proxy_on_queue_ready',
  'proxy_on_foreign_function proxy_on_done proxy_on_log proxy_on_delete proxy_on_redis_call_response',
].flatMap((line) => line.split(' '));

/** All of WASI preview 1. */
const wasi = [
  'args_get args_sizes_get environ_get environ_sizes_get clock_res_get clock_time_get fd_advise fd_allocate fd_close',
  'fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights fd_filestat_get fd_filestat_set_size',
  'fd_filestat_set_times fd_pread fd_prestat_get fd_prestat_dir_name fd_pwrite fd_read fd_readdir fd_renumber fd_seek',
  'fd_sync fd_tell fd_write path_create_directory path_filestat_get path_filestat_set_times path_link path_open',
  'path_readlink path_remove_directory path_rename path_symlink path_unlink_file poll_oneoff proc_exit proc_raise',
  'sched_yield random_get sock_accept sock_recv sock_send sock_shutdown',
].flatMap((line) => line.split(' '));

const known = readdirSync(profiles)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(join(profiles, file), 'utf8')) as GatewayProfile);
const unique = (names: readonly string[]): string[] => [...new Set(names)].sort();

const candidates = new Map<string, string[]>([
  [
    'env',
    unique([
      ...known.flatMap(({ imports }) =>
        imports.flatMap(({ module, names }) => (module === 'env' ? names : [])),
      ),
      ...'proxy_get_buffer proxy_set_buffer proxy_get_map_values proxy_set_map_values proxy_get_header_map proxy_resume_stream'.split(
        ' ',
      ),
      ...'proxy_set_tick_period proxy_get_current_time proxy_set_shared_kvstore_key proxy_get_shared_kvstore_value'.split(
        ' ',
      ),
      ...'setTempRet0 getTempRet0 __cxa_throw abort emscripten_memcpy_big emscripten_resize_heap proxy_get_log_level'.split(
        ' ',
      ),
    ]),
  ],
  ['wasi_snapshot_preview1', unique(wasi)],
  ['wasi_unstable', unique(wasi)],
]);

const abiVersions = unique([
  ...known.flatMap(({ abi }) => abi),
  ...['0_1_0', '0_2_0', '0_2_1', '0_2_100', '0_3_0', '1_0_0', 'vnext'].map(
    (each) => `proxy_abi_version_${each}`,
  ),
]);

/** A type that no host function has: the answer names the one that it has. */
const strange = 'f32 f64 -> f32';
const importing = (abi: string, [module, name]: readonly [string, string], type: string): PluginParts => ({
  abi,
  types: [typeOf(type)],
  imports: [[module, name, [0, 2]]],
});

async function offeredTo(
  abi: string,
  module: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  const answers = await ask(names.map((name) => importing(abi, [module, name], strange)));
  const types = answers.map(({ words }) => /but host exports: (.+ -> \S.*)/.exec(words)?.[1]?.trim());
  const found = names.flatMap((name, index) =>
    types[index] === undefined ? [] : [[name, types[index]] as const],
  );
  const right = await ask(found.map(([name, type]) => importing(abi, [module, name], type)));
  return Object.fromEntries(
    found.filter((_each, index) => right[index] !== undefined && loads(right[index])),
  );
}

async function importsOf(abi: readonly string[]): Promise<GatewayProfile['imports']> {
  const groups: GatewayProfile['imports'] = [];
  for (const [module, names] of candidates) {
    const byAbi = await Promise.all(abi.map((each) => offeredTo(each, module, names)));
    const key = (name: string): string => {
      const types = byAbi.map((each) => each[name]);
      const one = new Set(types.filter((each) => each !== undefined)).size === 1;
      return JSON.stringify(one ? types.map((each) => each !== undefined) : types);
    };
    for (const kind of unique(names.map(key))) {
      const members = names.filter((name) => key(name) === kind);
      const versions = abi.filter((_each, index) => byAbi[index]?.[members[0] ?? ''] !== undefined);
      if (versions.length === 0) continue;
      const types = Object.assign({}, ...byAbi.map((each) => pick(each, members))) as Record<string, string>;
      groups.push({
        module,
        ...(versions.length === abi.length ? {} : { abi: [...versions] }),
        names: members,
        types,
      });
    }
  }
  return groups;
}

const pick = (types: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (types[name] === undefined ? [] : [[name, types[name]]])));

const wanted = (words: string): string | undefined =>
  /Bad function signature for: \S+, want: (.+ -> [^,]+), but/.exec(words)?.[1]?.trim();

async function exportsOf(abi: readonly string[]): Promise<NonNullable<GatewayProfile['exports']>> {
  const groups: NonNullable<GatewayProfile['exports']> = [];
  const byAbi = await Promise.all(
    abi.map(async (each) => {
      const answers = await ask(
        callbacks.map((name) => ({
          abi: each,
          without: [name, ...(name === 'proxy_on_memory_allocate' ? ['malloc'] : [])],
          types: [typeOf('f32 -> void')],
          functions: [{ type: 2 }],
          exports: [[name, 0, 3] as const],
        })),
      );
      return Object.fromEntries(
        answers.flatMap(({ words }, index) => {
          const type = wanted(words);
          return type === undefined ? [] : [[callbacks[index] ?? '', type]];
        }),
      );
    }),
  );
  const common = Object.fromEntries(
    Object.entries(byAbi[0] ?? {}).filter(([name, type]) => byAbi.every((types) => types[name] === type)),
  );
  const { main, ...others } = common;
  groups.push({ types: sorted(others) });
  // Each question has `_initialize`, and a module without it is not asked for main.
  if (main !== undefined) groups.push({ beside: '_initialize', types: { main } });
  // A start function that is looked up only where the first of them is not there.
  const [alone] = await ask([
    {
      without: ['_initialize'],
      types: [typeOf('f32 -> void')],
      functions: [{ type: 2 }],
      exports: [['_start', 0, 3]],
    },
  ]);
  const start = wanted(alone?.words ?? '');
  if (start !== undefined && common['_start'] === undefined)
    groups.push({ unless: '_initialize', types: { _start: start } });
  for (const [index, version] of abi.entries()) {
    const special = Object.fromEntries(
      Object.entries(byAbi[index] ?? {}).filter(([name]) => common[name] === undefined),
    );
    if (Object.keys(special).length > 0) groups.push({ abi: [version], types: sorted(special) });
  }
  return groups;
}

const sorted = (types: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(types).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What may be exported without an end of the process: types in a function, and kinds. */
async function boundary(): Promise<NonNullable<GatewayProfile['boundary']>> {
  const types = Object.keys(typeCodes).filter((name) => !name.startsWith('('));
  const answers = await ask(
    types.map((name) => ({
      types: [typeOf(`${name} -> void`)],
      functions: [{ type: 2 }],
      exports: [['x', 0, 3] as const],
    })),
  );
  const kinds: readonly (readonly ['function' | 'table' | 'memory' | 'global' | 'tag', PluginParts])[] = [
    ['function', {}],
    ['table', { tables: [[0x70, 0, 1]], exports: [['x', 1, 0]] }],
    ['memory', {}],
    ['global', { globals: [[0x7f, 0, 0x41, 0, 0x0b]], exports: [['x', 3, 0]] }],
    ['tag', { tags: [[0, 0]], exports: [['x', 4, 0]] }],
  ];
  const exported = await ask(kinds.map(([, parts]) => parts));
  const killed = [...answers, ...exported].some(({ outcome }) => outcome === 'killed');
  return {
    types: types.filter((_name, index) => loads(answers[index]!)),
    kinds: kinds.filter((_kind, index) => loads(exported[index]!)).map(([kind]) => kind),
    beyond: killed ? 'kills' : 'refuses',
  };
}

/** Halves the range until the largest memory is found. */
async function memoryPages(): Promise<number> {
  let [fits, beyond] = [1, 65_537];
  while (beyond - fits > 1) {
    const middle = Math.floor((fits + beyond) / 2);
    const low = [(middle % 128) | 128, (Math.floor(middle / 128) % 128) | 128, Math.floor(middle / 16_384)];
    const [verdict] = await ask([{ memories: [[0, ...low]] }]);
    if (verdict !== undefined && loads(verdict)) fits = middle;
    else beyond = middle;
  }
  return fits;
}

async function measure(): Promise<GatewayProfile> {
  const said = await ask(abiVersions.map((abi) => ({ abi })));
  const abi = abiVersions.filter((_name, index) => loads(said[index]!));
  const [bare] = await ask([{ without: ['_initialize'] }]);
  const features = Object.keys(featureModules);
  const taken = await ask(Object.values(featureModules));
  const others = await ask([
    { imports: [['env', 'memory', [2, 0, 1]]], memories: [] },
    { imports: [['env', 'table', [1, 0x70, 0, 1]]] },
  ]);
  const name = `envoy-${version.split('.').slice(0, 2).join('.')}`;
  return {
    type: 'plugferry.gateway-profile/v1',
    name,
    description: `Envoy ${version} with V8, as it is: without the functions of Higress`,
    sources: [`measured: Envoy ${version} (${build}), --mode validate, by npm run gateway-profile`],
    confidence: 'measured',
    aliases: ['envoy'],
    abi,
    ...(bare !== undefined && loads(bare) ? {} : { start: ['_initialize', '_start'] }),
    allocate: ['malloc', 'proxy_on_memory_allocate'],
    imports: await importsOf(abi),
    exports: await exportsOf(abi),
    importable: (['memory', 'table'] as const).filter((_kind, index) => loads(others[index]!)),
    boundary: await boundary(),
    features: features.filter((_name, index) => loads(taken[index]!)),
    memoryPages: await memoryPages(),
  };
}

const profile = await measure();
const file = process.argv[3] ?? join(profiles, `${profile.name}.json`);
writeFileSync(file, `${JSON.stringify(profile, null, 2)}\n`);
process.stdout.write(`${file}\n`);
