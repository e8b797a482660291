import { PlugferryError } from '../errors.js';
import { withoutCredentials } from '../http/address.js';
import type { CatalogueEntry } from './catalogue.js';
import { parseReference, type Reference } from './reference.js';

/** Where to ask instead: references that begin with `from` begin with `to` from here on. */
export interface Mirror {
  /** `host`, `host/path`, or the beginning of a URL; undefined stands for the registry of every artifact. */
  readonly from: string | undefined;
  /** The same kind of thing. */
  readonly to: string;
}

const schemed = /^[a-z][a-z0-9+.-]*:\/\//i;
const withoutOci = (text: string): string => text.replace(/^oci:\/\//i, '').replace(/\/+$/, '');

/**
 * Reads `HOST[:PORT][/PATH]`, a registry that has everything that the catalogues name, or `FROM=TO`.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function parseMirror(text: string): Mirror {
  const at = text.indexOf('=');
  const from = at === -1 ? undefined : withoutOci(text.slice(0, at));
  const to = withoutOci(text.slice(at + 1));
  const isUrl = from !== undefined && schemed.test(from);
  const fits = isUrl
    ? /^https?:\/\//i.test(to) && URL.canParse(to)
    : parseReference(`${to}/x:1`)?.kind === 'oci' &&
      (from === undefined || parseReference(`${from}/x:1`)?.kind === 'oci');
  if (fits) return { from, to };
  throw new PlugferryError('E_USAGE', `"${withoutCredentials(text)}" does not say where to ask instead`, {
    hint: 'Write HOST, HOST/PATH, FROM=TO with both of them, or http://FROM=http://TO for URLs.',
    details: { found: withoutCredentials(text), expected: 'HOST or FROM=TO' },
  });
}

/** Mirrors in their order, and which of them were of use. */
export class Mirrors {
  readonly #mirrors: readonly Mirror[];
  readonly #used = new Set<Mirror>();

  constructor(mirrors: readonly Mirror[]) {
    this.#mirrors = mirrors;
  }

  /** The entry as it is to be asked for: the first mirror that fits counts. A digest stays what it is. */
  apply(entry: CatalogueEntry): CatalogueEntry {
    for (const mirror of this.#mirrors) {
      const reference = applied(mirror, entry.reference);
      if (reference === undefined) continue;
      this.#used.add(mirror);
      return { ...entry, reference };
    }
    return entry;
  }

  /** @throws PlugferryError `E_USAGE` for a mirror that nothing was asked through. */
  refuseIdle(): void {
    const idle = this.#mirrors.find((mirror) => !this.#used.has(mirror));
    if (idle !== undefined) throw nothingThere(idle);
  }
}

function applied({ from, to }: Mirror, reference: Reference): Reference | undefined {
  if (reference.kind !== 'oci') {
    const rest = from !== undefined && schemed.test(from) ? behind(reference.url, from) : undefined;
    return rest === undefined ? undefined : parseReference(`${to}${rest}`);
  }
  const rest =
    from === undefined
      ? `/${reference.repository}`
      : behind(`${reference.registry}/${reference.repository}`, from);
  if (rest === undefined) return undefined;
  const [registry = '', ...path] = `${to}${rest}`.split('/');
  return { ...reference, registry, repository: path.join('/') };
}

/** What follows a beginning that ends where a name ends. */
const behind = (text: string, beginning: string): string | undefined =>
  text.startsWith(`${beginning}/`) ? text.slice(beginning.length) : undefined;

const nothingThere = ({ from }: Mirror): PlugferryError =>
  new PlugferryError(
    'E_USAGE',
    `nothing that is named begins with "${withoutCredentials(from ?? 'oci://')}"`,
    {
      hint: 'A mirror is for references in catalogues. Write its beginning as it stands there.',
      details: { expected: withoutCredentials(from ?? 'oci://') },
    },
  );
