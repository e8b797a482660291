import { incompatibilities, refuse, type UnfitPlugin } from './compatibility.js';
import { openRegular } from '../files/open-regular.js';
import { pluginPath } from '../plugin/layout.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ModuleReading } from '../wasm/interface.js';
import { inspectModule } from '../wasm/module.js';

/** Compares modules with a gateway as they come, and keeps only what is wrong with them. */
export class GatewayCheck {
  readonly #gateway: GatewayProfile;
  readonly #wanted: ReadonlySet<string>;
  readonly #unfit: UnfitPlugin[] = [];

  constructor(gateway: GatewayProfile, wanted: readonly PluginId[]) {
    this.#gateway = gateway;
    this.#wanted = new Set(wanted.map(formatPluginId));
  }

  /** Takes one module, and the plugins whose module it is; those that are not wanted are left out. */
  take(plugins: readonly PluginId[], module: ModuleReading): void {
    const ids = plugins.filter((plugin) => this.#wanted.has(formatPluginId(plugin)));
    const reasons = ids.length === 0 ? [] : incompatibilities(module, this.#gateway);
    if (reasons.length === 0) return;
    this.#unfit.push(...ids.map(({ name, version }) => ({ name, version, reasons })));
  }

  /** @throws PlugferryError `E_GATEWAY` with `details.plugins`. */
  end(): void {
    refuse(this.#unfit, this.#wanted.size, this.#gateway);
  }
}

/**
 * Refuses modules on disk that a gateway cannot run.
 *
 * @throws PlugferryError `E_GATEWAY` with `details.plugins`; `E_WASM`, `E_SOURCE_CHANGED`, `E_IO`.
 */
export async function refuseUnfitFiles(
  plugins: readonly (PluginId & { readonly wasmFile: string })[],
  gateway: GatewayProfile,
): Promise<void> {
  const check = new GatewayCheck(gateway, plugins);
  for (const plugin of plugins) {
    const file = await openRegular(plugin.wasmFile, 'module');
    try {
      check.take(
        [plugin],
        await inspectModule(file, pluginPath(plugin, 'plugin.wasm'), { forGateway: true }),
      );
    } finally {
      await file.close();
    }
  }
  check.end();
}
