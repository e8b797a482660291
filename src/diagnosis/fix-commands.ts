import type { PluginId } from '../plugin/plugin.js';
import type { ReferringResource } from './reference.js';

/** Words of a command line, quoted for a POSIX shell where they need it. */
export const shellLine = (...words: readonly string[]): string =>
  words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');

/** The name that no other group's resource of the same kind answers to. */
const resourceType = 'wasmplugins.extensions.higress.io';

/** Changes fields of a WasmPlugin's spec. */
export const patchLine = (
  { name, namespace }: Pick<ReferringResource, 'name' | 'namespace'>,
  spec: Readonly<Record<string, unknown>>,
): string =>
  shellLine(
    'kubectl',
    'patch',
    resourceType,
    name,
    ...(namespace === undefined ? [] : ['-n', namespace]),
    '--type=merge',
    '-p',
    JSON.stringify({ spec }),
  );

/** Namespace of the official chart. */
const higress = 'higress-system';

/** Gives the Console, or the controller, another value; both read it when they start, which this makes them do. */
export const environmentLine = (
  deployment: 'higress-console' | 'higress-controller',
  value: string,
): string => shellLine('kubectl', 'set', 'env', `deployment/${deployment}`, '-n', higress, value);

export const aliasLine = (volume: string, { name, version }: PluginId, existing: string): string =>
  shellLine('plugferry', 'alias', volume, name, `${version}=${existing}`);
