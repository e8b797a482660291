import { PlugferryError } from '../errors.js';
import type { Naming } from '../plugin/naming.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { Nameless, Offer, SourceListing } from './source.js';

/**
 * Gives offers other names, and names to what has none. What a naming speaks of loses the name that it had.
 *
 * @throws PlugferryError `E_SELECTION` for a naming of nothing that is there, `E_USAGE` for one without FROM where there are
 *   several things to name.
 */
export function rename(listing: SourceListing, namings: readonly Naming[]): SourceListing {
  if (namings.length === 0) return listing;
  const { offers, nameless = [] } = listing;
  const renamed = new Set<Offer | Nameless>();
  const added = namings.flatMap(({ from, id }) => {
    const meant = from === undefined ? theOnly(listing, id) : thatIs(listing, from);
    for (const thing of meant) renamed.add(thing);
    // All of them: whether they are the same is found out by their bytes.
    return meant.map((thing) => underName(thing, id));
  });
  return {
    offers: [...offers.filter((offer) => !renamed.has(offer)), ...added],
    nameless: nameless.filter((thing) => !renamed.has(thing)),
    notes: listing.notes,
  };
}

type Things = readonly (Offer | Nameless)[];

const callingOf = (thing: Offer | Nameless): string =>
  thing.from ?? ('name' in thing ? formatPluginId(thing) : '');

/** Several offers may be one and the same thing, which a catalogue lists under two versions. */
function theOnly(listing: SourceListing, id: PluginId): Things {
  const things = [...listing.offers, ...(listing.nameless ?? [])];
  const callings = [...new Set(things.map(callingOf))];
  if (callings.length === 1) return things;
  throw new PlugferryError(
    'E_USAGE',
    `${formatPluginId(id)} names one module, but there are ${callings.length}: ${shortened(callings)}`,
    {
      hint: 'Say which: --as FROM=name@version',
      details: { found: callings.length, expected: 1 },
    },
  );
}

function thatIs({ offers, nameless = [] }: SourceListing, from: string): Things {
  const things = [
    ...offers.filter((offer) => offer.from === from || formatPluginId(offer) === from),
    ...nameless.filter((thing) => thing.from === from),
  ];
  if (things.length > 0) return things;
  const callings = [...new Set([...nameless, ...offers].map(callingOf))];
  throw new PlugferryError('E_SELECTION', `nothing is called "${from}". There are: ${shortened(callings)}`, {
    hint: 'Name it exactly as the source does: a file, a reference, or name@version.',
    details: { expected: from },
  });
}

/** Its metadata.txt, if any, speaks of the old name; another is made. */
const underName = (thing: Offer | Nameless, id: PluginId): Offer => ({
  ...id,
  from: callingOf(thing),
  ...(thing.origin === undefined ? {} : { origin: thing.origin }),
  ...(thing.host === undefined ? {} : { host: thing.host }),
  want: () => thing.want?.(),
  fetch: async (signal, progress) => ({
    ...(await thing.fetch(signal, progress)),
    ...id,
    metadata: undefined,
  }),
});

/** Most names that an error lists. */
const maxNamed = 10;

export function shortened(names: readonly string[]): string {
  const rest = names.length - maxNamed;
  return `${names.slice(0, maxNamed).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
