import { PlugferryError } from '../errors.js';
import { withoutCredentials } from '../http/address.js';
import type { PluginId } from '../plugin/plugin.js';
import type { Reference } from './reference.js';

/** A plugin that a catalogue names. */
export interface CatalogueEntry {
  /** Under which it is served; undefined where none follows from what the catalogue says. */
  readonly id: PluginId | undefined;
  /** What a properties file calls it. */
  readonly key?: string;
  readonly reference: Reference;
  /** The reference for people: with a scheme, without credentials. */
  readonly text: string;
  /** SHA-256 that the module must have, where the catalogue states one. */
  readonly wasmSha256?: string;
  /** Where it stands: `file:line`, or the file and the place in it. */
  readonly place: string;
}

export interface Catalogue {
  /** The same name and version may be there more than once. */
  readonly entries: readonly CatalogueEntry[];
  /** What was seen and left out, one sentence each. */
  readonly notes: readonly string[];
}

/** A text that lists plugins, and how errors call it. */
export interface CatalogueText {
  readonly file: string;
  readonly text: string;
}

/** Longest piece of a catalogue that an error repeats. */
const quoteLength = 160;

/** The refusal of a catalogue: nothing of one that holds a mistake is used. */
export function refusedCatalogue(place: string, reason: string, hint: string): PlugferryError {
  return new PlugferryError('E_SOURCE', `${place}: ${reason}`, {
    hint,
    details: { file: place, found: reason },
  });
}

/** Words from outside, without credentials and query, and cut to a length that an error can bear. */
export function quoted(text: string): string {
  const shown = withoutCredentials(text).replace(/^([a-z]+:\/\/[^?]*)\?.*$/is, '$1?(...)');
  return `"${shown.length > quoteLength ? `${shown.slice(0, quoteLength)}...` : shown}"`;
}
