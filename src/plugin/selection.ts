import { PlugferryError } from '../errors.js';
import { alikeOnes } from './similarity.js';
import { comparePluginIds, formatPluginId, type PluginId } from './plugin.js';

/** Which plugins of a source are meant: those that an `include` pattern matches (all, when there is none) and no `exclude` does. */
export interface Selection {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** A pattern `name[@version]`, in which `*` stands for any characters and `?` for one. Without a version, any fits. */
export interface Pattern {
  readonly text: string;
  readonly name: string;
  readonly version: string | undefined;
  matches(id: PluginId): boolean;
}

/** Longer than any name and version with their patterns; keeps matching cheap. */
const maxPatternLength = 256;

/** @throws PlugferryError `E_USAGE` when a part is empty or holds what neither a name nor a version can hold. */
export function parsePattern(text: string): Pattern {
  const [, name, version] = /^([a-z0-9._*?-]+)(?:@([A-Za-z0-9._+*?-]+))?$/.exec(text) ?? [];
  if (name === undefined || text.length > maxPatternLength) {
    throw new PlugferryError('E_USAGE', `"${text.slice(0, maxPatternLength)}" is not a plugin pattern`, {
      hint: 'Write name or name@version, for example key-auth, ai-* or key-auth@1.*',
      details: { found: text, expected: 'name[@version]' },
    });
  }
  const matches = (id: PluginId): boolean =>
    fitsGlob(id.name, name) && (version === undefined || fitsGlob(id.version, version));
  return { text, name, version, matches };
}

/**
 * Whether a glob describes the whole text. On a mismatch only the last `*` takes one character more, never an earlier one,
 * so the work is at most text times glob, whatever the glob.
 */
function fitsGlob(text: string, glob: string): boolean {
  let at = 0;
  let next = 0;
  let star: { readonly behind: number; taken: number } | undefined;
  while (at < text.length) {
    if (glob[next] === '*') {
      next += 1;
      star = { behind: next, taken: at };
    } else if (glob[next] === '?' || glob[next] === text[at]) {
      at += 1;
      next += 1;
    } else if (star !== undefined) {
      star.taken += 1;
      at = star.taken;
      next = star.behind;
    } else {
      return false;
    }
  }
  while (glob[next] === '*') next += 1;
  return next === glob.length;
}

/**
 * The selected items, by name, then version.
 *
 * @throws PlugferryError `E_SELECTION` when an include pattern matches nothing or nothing is left, with what there is;
 *   `E_USAGE` when a pattern is malformed.
 */
export function select<Item extends PluginId>(
  items: readonly Item[],
  { include, exclude }: Selection,
): Item[] {
  const wanted = include.map(parsePattern);
  const unwanted = exclude.map(parsePattern);
  for (const pattern of wanted) {
    if (!items.some((item) => pattern.matches(item))) throw nothingMatches(pattern, items);
  }
  const selected = items
    .filter((item) => wanted.length === 0 || wanted.some((pattern) => pattern.matches(item)))
    .filter((item) => !unwanted.some((pattern) => pattern.matches(item)));
  if (selected.length === 0) throw nothingLeft(items);
  return selected.sort(comparePluginIds);
}

function nothingMatches(pattern: Pattern, items: readonly PluginId[]): PlugferryError {
  const near = nearest(pattern, items);
  return new PlugferryError('E_SELECTION', `no plugin matches "${pattern.text}". ${inventory(items)}`, {
    hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : 'Check the name, and the source.',
    details: { expected: pattern.text, near },
  });
}

const nothingLeft = (items: readonly PluginId[]): PlugferryError =>
  new PlugferryError('E_SELECTION', `the selection leaves no plugin. ${inventory(items)}`, {
    hint: 'Exclude less, or name what to include.',
  });

/** Most plugins that an error lists. */
const maxListed = 20;

function inventory(items: readonly PluginId[]): string {
  if (items.length === 0) return 'There are no plugins at all.';
  const names = [...items].sort(comparePluginIds).map(formatPluginId);
  const rest = names.length - maxListed;
  return `There are: ${names.slice(0, maxListed).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}.`;
}

const maxSuggestions = 3;

/** Other versions of the named plugin; where there are none, plugins of a similar name. */
function nearest(pattern: Pattern, items: readonly PluginId[]): string[] {
  const sameName = items.filter(({ name }) => fitsGlob(name, pattern.name));
  if (sameName.length > 0) {
    return [...sameName].sort(comparePluginIds).slice(-maxSuggestions).map(formatPluginId);
  }
  const asked = pattern.name.replace(/[*?]/g, '');
  const names = [...new Set(items.map(({ name }) => name))];
  return alikeOnes(asked, names, 0.6).slice(0, maxSuggestions);
}
