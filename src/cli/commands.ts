import type { Command } from './command.js';

type Loaded = Promise<{ readonly default: Command }>;

/** Where each command is, in the order of a plugin's journey, which is also the order of `--help`. */
const loaders: Readonly<Record<string, () => Loaded>> = {
  keygen: () => import('./commands/keygen.js'),
  trust: () => import('./commands/trust.js'),
  export: () => import('./commands/export.js'),
  sign: () => import('./commands/sign.js'),
  inspect: () => import('./commands/inspect.js'),
  verify: () => import('./commands/verify.js'),
  convert: () => import('./commands/convert.js'),
  split: () => import('./commands/split.js'),
  join: () => import('./commands/join.js'),
  push: () => import('./commands/push.js'),
  pull: () => import('./commands/pull.js'),
  import: () => import('./commands/import.js'),
  list: () => import('./commands/list.js'),
  diff: () => import('./commands/diff.js'),
  doctor: () => import('./commands/doctor.js'),
  history: () => import('./commands/history.js'),
  rollback: () => import('./commands/rollback.js'),
  alias: () => import('./commands/alias.js'),
  prune: () => import('./commands/prune.js'),
  receipt: () => import('./commands/receipt.js'),
  render: () => import('./commands/render.js'),
  serve: () => import('./commands/serve.js'),
  health: () => import('./commands/health.js'),
  config: () => import('./commands/config.js'),
  completion: () => import('./commands/completion.js'),
};

/** Every command, in the order of `--help`. */
export const allCommands = (): Promise<readonly Command[]> => load(Object.values(loaders));

/** The command of that name alone, for loading the others would take longer than many a command takes; or, where there is none, all. */
export async function commandsFor(name: string | undefined): Promise<readonly Command[]> {
  const loader = name !== undefined && Object.hasOwn(loaders, name) ? loaders[name] : undefined;
  return loader === undefined ? allCommands() : load([loader]);
}

const load = (some: readonly (() => Loaded)[]): Promise<readonly Command[]> =>
  Promise.all(some.map(async (loader) => (await loader()).default));
