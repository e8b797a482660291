import { PlugferryError } from '../errors.js';
import { idOfModulePath } from '../plugin/module-path.js';
import type { PluginId } from '../plugin/plugin.js';
import type { Nameless, Offer, SourceListing } from './source.js';

/** A module that lies somewhere under a name of its own. */
export interface FoundModule extends Pick<Nameless, 'from' | 'host' | 'fetch'> {
  /** With `/`; from its end a name may follow. @default `from` */
  readonly path?: string;
}

/** A module, and what it is called if that is known. */
export interface NamedModule {
  readonly module: FoundModule;
  readonly id: PluginId | undefined;
}

export const isModuleName = (path: string): boolean => /\.wasm$/i.test(path);

/** Offers of modules that have a name and a version; the others somebody has to name. */
export function named(modules: readonly NamedModule[]): Required<SourceListing> {
  const offers: Offer[] = [];
  const nameless: Nameless[] = [];
  for (const { module, id } of modules) {
    if (id === undefined) nameless.push(module);
    else
      offers.push({
        ...module,
        ...id,
        fetch: async (...args) => ({ ...(await module.fetch(...args)), ...id }),
      });
  }
  return { offers, nameless, notes: [] };
}

/** Modules by the names and versions that follow from where they lie; where none follow, somebody has to name them. */
export const listingOf = (modules: readonly FoundModule[]): Required<SourceListing> =>
  named(modules.map(({ path, ...module }) => ({ module, id: idOfModulePath(path ?? module.from) })));

export const noModules = (file: string, hint: string): PlugferryError =>
  new PlugferryError('E_SELECTION', `${file} holds no .wasm files`, {
    hint,
    details: { file, expected: '*.wasm' },
  });
