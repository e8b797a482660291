import { compareVersions, formatPluginId, type PluginId } from '../plugin/plugin.js';
import { alikeOnes } from '../plugin/similarity.js';

/** A module that a place holds; the digest is that of plugin.wasm. */
export interface HeldModule extends PluginId {
  readonly sha256: string;
}

/** Names that differ by a letter or two. */
const alike = 0.75;
/** Most names that are held against all others; there may be thousands, of either. */
const comparedAtMost = 64;

/** The modules of a place, by what they are asked for. */
export class HeldModules {
  readonly #byId: ReadonlyMap<string, HeldModule>;
  readonly #versions = new Map<string, string[]>();
  readonly #compared = new Map<string, string | undefined>();

  constructor(modules: readonly HeldModule[]) {
    this.#byId = new Map(modules.map((module) => [formatPluginId(module), module]));
    for (const { name, version } of modules) {
      const versions = this.#versions.get(name);
      if (versions === undefined) this.#versions.set(name, [version]);
      else versions.push(version);
    }
    for (const versions of this.#versions.values()) versions.sort(compareVersions);
  }

  get(id: PluginId): HeldModule | undefined {
    return this.#byId.get(formatPluginId(id));
  }

  /** Ascending. */
  versionsOf(name: string): readonly string[] {
    return this.#versions.get(name) ?? [];
  }

  /** The name that may have been meant; looked for only for the first few names that are not there. */
  nearest(name: string): string | undefined {
    if (!this.#compared.has(name)) {
      if (this.#compared.size === comparedAtMost) return undefined;
      this.#compared.set(name, alikeOnes(name, [...this.#versions.keys()], alike)[0]);
    }
    return this.#compared.get(name);
  }
}
