import { PlugferryError } from '../errors.js';

/**
 * The refusal of a module that a gateway could not load.
 *
 * @param module how the caller names the file.
 */
export const unloadable = (
  module: string,
  reason: string,
  hint = 'Build the plugin again, or fetch it again from where it came from.',
): PlugferryError =>
  new PlugferryError('E_WASM', `${module}: ${reason}`, {
    hint,
    details: { file: module, expected: 'WebAssembly core module', found: reason },
  });
