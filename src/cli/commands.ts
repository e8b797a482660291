import type { Command } from './command.js';
import alias from './commands/alias.js';
import completion from './commands/completion.js';
import config from './commands/config.js';
import convert from './commands/convert.js';
import diff from './commands/diff.js';
import doctor from './commands/doctor.js';
import exportCommand from './commands/export.js';
import health from './commands/health.js';
import history from './commands/history.js';
import importCommand from './commands/import.js';
import inspect from './commands/inspect.js';
import join from './commands/join.js';
import keygen from './commands/keygen.js';
import list from './commands/list.js';
import prune from './commands/prune.js';
import pull from './commands/pull.js';
import push from './commands/push.js';
import receipt from './commands/receipt.js';
import render from './commands/render.js';
import rollback from './commands/rollback.js';
import serve from './commands/serve.js';
import sign from './commands/sign.js';
import split from './commands/split.js';
import trust from './commands/trust.js';
import verify from './commands/verify.js';

/** Every command, in the order of a plugin's journey, which is also the order of `--help`. */
export const commands: readonly Command[] = [
  keygen,
  trust,
  exportCommand,
  sign,
  inspect,
  verify,
  convert,
  split,
  join,
  push,
  pull,
  importCommand,
  list,
  diff,
  doctor,
  history,
  rollback,
  alias,
  prune,
  receipt,
  render,
  serve,
  health,
  config,
  completion,
];
