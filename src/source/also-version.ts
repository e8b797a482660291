import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { Offer } from './source.js';

/**
 * Offers every plugin under further versions too, unless it is there under them already. Where there are several versions of
 * it, whether they are the same is found out by their bytes.
 */
export function alsoUnderVersions(offers: readonly Offer[], versions: readonly string[]): Offer[] {
  const present = new Set(offers.map(formatPluginId));
  const added = versions.flatMap((version) =>
    offers
      .filter(({ name }) => !present.has(formatPluginId({ name, version })))
      .map((offer) => underVersion(offer, { name: offer.name, version })),
  );
  return [...offers, ...added];
}

/** The digests that a source states are those of the files, whatever they are called. */
const underVersion = (offer: Offer, id: PluginId): Offer => ({
  ...offer,
  ...id,
  from: offer.from ?? formatPluginId(offer),
  want: () => offer.want?.(),
  fetch: async (...args) => ({ ...(await offer.fetch(...args)), ...id }),
});
