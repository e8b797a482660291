import { PlugferryError } from '../errors.js';
import { formatPluginId } from '../plugin/plugin.js';
import type { ManifestPlugin, ModuleFacts } from '../schema/manifest.js';
import { manifestName } from './bundle.js';

/**
 * Compares what a manifest claims of a module with what stands in it.
 *
 * @throws PlugferryError `E_MANIFEST` that gives both for the first thing that differs.
 */
export function checkClaim(plugin: ManifestPlugin, found: ModuleFacts): void {
  const claims = partsOf(plugin.wasm);
  const facts = partsOf(found);
  for (const part of parts) {
    const [claimed, there] = [claims[part], facts[part]];
    if (claimed.join('\n') === there.join('\n')) continue;
    const onlyClaimed = claimed.filter((each) => !there.includes(each));
    const onlyThere = there.filter((each) => !claimed.includes(each));
    throw new PlugferryError(
      'E_MANIFEST',
      `${manifestName} claims of the module of ${formatPluginId(plugin)} what is not so, ${part}: ` +
        `claimed ${some(onlyClaimed, claimed)}, found ${some(onlyThere, there)}`,
      {
        hint: "The sender's program does not say what it packs. Have the bundle exported again with Plugferry, and ask who signed this one.",
        details: {
          file: manifestName,
          plugin: formatPluginId(plugin),
          part,
          expected: claimed.slice(0, namedAtMost).join(', '),
          found: there.slice(0, namedAtMost).join(', '),
        },
      },
    );
  }
}

const parts = ['abi', 'start', 'toolchain', 'imports', 'exports'] as const;

function partsOf(facts: ModuleFacts): Readonly<Record<(typeof parts)[number], readonly string[]>> {
  const { abi, start, toolchain, imports, exports } = facts;
  return {
    abi,
    start,
    toolchain: toolchain === undefined ? [] : [toolchain],
    imports: imports.flatMap(({ module, names }) => names.map((name) => `${module}.${name}`)),
    exports,
  };
}

/** Most names that the message and the details give. */
const namedAtMost = 8;

/** What is on one side only; where nothing is, the two differ in order alone. */
function some(only: readonly string[], all: readonly string[]): string {
  const names = only.length > 0 ? only : all;
  if (names.length === 0) return 'nothing';
  const more = names.length > namedAtMost ? ` and ${names.length - namedAtMost} more` : '';
  return `${names.slice(0, namedAtMost).join(', ')}${more}`;
}
