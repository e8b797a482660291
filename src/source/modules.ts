import { PlugferryError } from '../errors.js';
import { idOfModulePath } from '../plugin/module-path.js';
import type { Nameless, Offer, SourceListing } from './source.js';

/** A module that lies somewhere under a name of its own. */
export interface FoundModule extends Pick<Nameless, 'from' | 'host' | 'fetch'> {
  /** With `/`; from its end a name may follow. @default `from` */
  readonly path?: string;
}

export const isModuleName = (path: string): boolean => /\.wasm$/i.test(path);

/** Modules by the names and versions that follow from where they lie; where none follow, somebody has to name them. */
export function listingOf(modules: readonly FoundModule[]): Required<SourceListing> {
  const offers: Offer[] = [];
  const nameless: Nameless[] = [];
  for (const { path, ...module } of modules) {
    const id = idOfModulePath(path ?? module.from);
    if (id === undefined) nameless.push(module);
    else
      offers.push({
        ...module,
        ...id,
        fetch: async (signal, progress) => ({ ...(await module.fetch(signal, progress)), ...id }),
      });
  }
  return { offers, nameless, notes: [] };
}

export const noModules = (file: string, hint: string): PlugferryError =>
  new PlugferryError('E_SELECTION', `${file} holds no .wasm files`, {
    hint,
    details: { file, expected: '*.wasm' },
  });
