import { parseLines, type Node, type Pair } from 'dot-properties';
import { isPluginName } from '../plugin/plugin.js';
import {
  quoted,
  refusedCatalogue,
  type Catalogue,
  type CatalogueEntry,
  type CatalogueText,
} from './catalogue.js';
import { formatReference, idOfReference, parseReference, versionOf, type Reference } from './reference.js';

const hint =
  'Write each line as name=oci://registry/repository:tag, or with the URL of a module without a query. Nothing of a file with a mistake is taken: it would be missed later.';

/**
 * `plugins.properties`: `name=reference` a line. The Console reads the file as Java does (`:` and blanks as separators, `!`
 * comments, escapes, lines that go on); plugin-server splits each line at its first `=`. A text that both can read has the same
 * entries for both, so it is read as Java reads it. What either would pass over in silence is refused: a line without a
 * separator (plugin-server then drops the whole file), and a name that is there twice (the last one wins).
 *
 * The version is the tag.
 *
 * @throws PlugferryError `E_SOURCE` naming the line.
 */
export function readProperties({ file, text }: CatalogueText): Catalogue {
  const lines = new Map<string, number>();
  const entries = pairsOf(text).map(({ key, value, line }) => {
    const place = `${file}:${line}`;
    const before = lines.get(key);
    if (before !== undefined) {
      throw refusedCatalogue(place, `${quoted(key)} is there already in line ${before}`, hint);
    }
    lines.set(key, line);
    return entryOf(key, value, place);
  });
  return { entries, notes: [] };
}

function entryOf(name: string, value: string, place: string): CatalogueEntry {
  if (!isPluginName(name)) throw refusedCatalogue(place, `${quoted(name)} is not a plugin name`, hint);
  if (value === '') throw refusedCatalogue(place, `nothing is said of ${quoted(name)}`, hint);
  const reference = parseReference(value);
  if (reference === undefined) {
    throw refusedCatalogue(place, `${quoted(value)} is not a reference to a plugin`, hint);
  }
  const version = versionOfReference(reference);
  const id = version === undefined ? undefined : { name, version };
  return { id, key: name, reference, text: formatReference(reference), place };
}

const versionOfReference = (reference: Reference): string | undefined =>
  reference.kind === 'oci' ? versionOf(reference) : idOfReference(reference)?.version;

interface Property {
  readonly key: string;
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

function pairsOf(text: string): Property[] {
  // The library takes a lone CR for a part of the line behind it.
  const source = text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  const nodes: Node[] = parseLines(source, true);
  let [line, at] = [1, 0];
  return nodes.filter(isPair).map(({ key, value, range }) => {
    const start = range?.[0] ?? 0;
    for (; at < start; at += 1) if (source[at] === '\n') line += 1;
    // Java keeps blanks at the end of a value, plugin-server does not; no reference has any.
    return { key, value: value.trim(), line };
  });
}

const isPair = (node: Node): node is Pair => node.type === 'PAIR';
