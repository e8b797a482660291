import { importBundle, type ConfigMapStore, type ImportResult } from '../../src/index.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';

/** Plugins by `name@version`: seed and bytes of each module. */
export type Modules = Readonly<Record<string, readonly [seed: string, bytes: number]>>;

export const moduleOf = ([seed, bytes]: readonly [string, number]): Buffer =>
  Buffer.from(tinyModule(seed, bytes));

export interface Scene {
  readonly directory: string;
  readonly key: TestKey;
  readonly publicKey: string;
  /** Writes a signed bundle and returns its path. */
  bundle(sequence: number, modules: Modules, signer?: TestKey): Promise<string>;
}

export async function newScene(): Promise<Scene> {
  const directory = await tempDir();
  const key = await testKey('dev');
  const { pub } = await key.writeTo(directory);
  return {
    directory,
    key,
    publicKey: pub,
    async bundle(sequence, modules, signer = key) {
      const plugins = Object.entries(modules).map(([id, module]) => {
        const [name = '', version = ''] = id.split('@');
        return { name, version, wasm: moduleOf(module) };
      });
      const parts = bundleParts([signer], plugins, (manifest) => ({ ...manifest, sequence }));
      return put(directory, `${sequence}.tar.gz`, tarGz(parts.entries));
    },
  };
}

/** Imports through the public API. */
export const importTo = (
  { store, key }: Pick<Scene, 'key'> & { readonly store: ConfigMapStore },
  bundle: string,
  options: {
    readonly mode?: 'replace';
    readonly maxBytes?: number;
    readonly clock?: () => Date;
    readonly signal?: AbortSignal;
  } = {},
): Promise<ImportResult> => {
  const { maxBytes, ...rest } = options;
  return importBundle({
    bundle,
    to: { store, ...(maxBytes === undefined ? {} : { maxBytes }) },
    trust: { publicKeys: [key.trusted] },
    allowOverwrite: true,
    ...rest,
  });
};
