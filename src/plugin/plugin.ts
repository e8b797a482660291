import { PlugferryError } from '../errors.js';

/** Name and version under which the gateway asks for a plugin: `/plugins/<name>/<version>/plugin.wasm`. */
export interface PluginId {
  readonly name: string;
  readonly version: string;
}

/** Longest plugin name in characters: a DNS label, as in the WasmPlugin names that the Console makes from it. */
const maxNameLength = 63;
/** Longest version in characters; with the name it keeps every path inside the ustar name and prefix fields. */
const maxVersionLength = 64;
/** The gateway cuts a module off at this many bytes without a word (istio `pkg/wasm`, 256 MiB), so nothing larger travels. */
export const maxModuleBytes = 256 * 1024 * 1024;

const namePattern = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;
const versionPattern = /^[A-Za-z0-9_](?:[A-Za-z0-9._+-]*[A-Za-z0-9_+-])?$/;
/** Names that Windows gives to devices, with or without an extension; the trees also pass through USB sticks and SMB. */
const devicePattern = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;

const isSegment = (text: string, pattern: RegExp, longest: number): boolean =>
  text.length <= longest && pattern.test(text) && !text.includes('..') && !devicePattern.test(text);

/** Lower-case letters, digits, `-`, `_` and `.`, starting and ending with a letter or digit; at most 63 characters. */
export const isPluginName = (text: string): boolean => isSegment(text, namePattern, maxNameLength);

/**
 * What the field uses as a version: `1.0.0`, `2.0.1`, also tags like `latest-rc1`. At most 64 characters. Semver is
 * deliberately not demanded; only what is unsafe as a path segment is refused.
 */
export const isPluginVersion = (text: string): boolean => isSegment(text, versionPattern, maxVersionLength);

export const formatPluginId = ({ name, version }: PluginId): string => `${name}@${version}`;

/**
 * Reads `name@version`.
 *
 * @throws PlugferryError `E_USAGE` when either part is not allowed.
 */
export function parsePluginId(text: string): PluginId {
  const at = text.indexOf('@');
  const id = { name: text.slice(0, at), version: text.slice(at + 1) };
  if (at > 0 && isPluginName(id.name) && isPluginVersion(id.version)) return id;
  throw new PlugferryError('E_USAGE', `"${text}" is not a plugin reference`, {
    hint: 'Write it as name@version, for example key-auth@1.0.0.',
    details: { found: text, expected: 'name@version' },
  });
}

/** Orders by name, then version, both by code unit: the order of everything that Plugferry writes. */
export function comparePluginIds(a: PluginId, b: PluginId): number {
  return compareText(a.name, b.name) || compareText(a.version, b.version);
}

/** Code-unit order, which unlike `localeCompare` is the same on every machine. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const collator = new Intl.Collator('en', { numeric: true });

/** Orders versions for people: numbers compare as numbers, so 1.10.0 is higher than 1.9.0. Versions need not be semver. */
export const compareVersions = (a: string, b: string): number => collator.compare(a, b) || compareText(a, b);
