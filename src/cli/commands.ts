import type { Command } from './command.js';
import convert from './commands/convert.js';
import exportCommand from './commands/export.js';
import importCommand from './commands/import.js';
import inspect from './commands/inspect.js';
import keygen from './commands/keygen.js';
import list from './commands/list.js';
import serve from './commands/serve.js';
import verify from './commands/verify.js';

/** Every command, in the order of a plugin's journey, which is also the order of `--help`. */
export const commands: readonly Command[] = [
  keygen,
  exportCommand,
  inspect,
  verify,
  convert,
  importCommand,
  list,
  serve,
];
