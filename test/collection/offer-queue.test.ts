import { expect, test } from 'vitest';
import { OfferQueue } from '../../src/collection/offer-queue.js';
import type { Offer } from '../../src/source/source.js';

interface Counted {
  readonly offers: readonly Offer[];
  reads: number;
}

/** Offers of these hosts, and how often it was asked of which one they are. */
function offersOf(hosts: readonly (string | undefined)[]): Counted {
  const counted: Counted = { offers: [], reads: 0 };
  const offers = hosts.map(
    (host, index) =>
      ({
        name: `p${index}`,
        version: '1.0.0',
        get host() {
          counted.reads += 1;
          return host;
        },
      }) as unknown as Offer,
  );
  return Object.assign(counted, { offers });
}

/** Works on up to eight at once, as long as there is something to begin; @returns the order in which they were begun. */
function drained({ offers }: Counted): number[] {
  const queue = new OfferQueue(offers);
  const begun: number[] = [];
  const underWay: Offer[] = [];
  for (;;) {
    const job = underWay.length < 8 ? queue.next() : undefined;
    if (job !== undefined) {
      begun.push(job.index);
      underWay.push(job.offer);
      for (const name of new Set(underWay.map(({ host }) => host)))
        if (name !== undefined) expect(underWay.filter(({ host }) => host === name).length).toBeLessThan(7);
      continue;
    }
    const finished = underWay.shift();
    if (finished === undefined) return begun;
    queue.done(finished);
  }
}

test('offers are begun in order; of one host six at once, and others go before what waits for it', () => {
  const slow = Array.from({ length: 10 }, () => 'slow');
  expect(drained(offersOf([...slow, 'other', undefined]))).toEqual([0, 1, 2, 3, 4, 5, 10, 11, 6, 7, 8, 9]);
  expect(drained(offersOf(Array.from({ length: 20 }, () => undefined)))).toEqual(
    Array.from({ length: 20 }, (_, index) => index),
  );
});

test('what waits for a busy host is not looked through for each offer of another', () => {
  const readsFor = (count: number): number => {
    const slow = Array.from({ length: count }, () => 'slow');
    const counted = offersOf([...slow, ...Array.from({ length: count }, () => 'other')]);
    const queue = new OfferQueue(counted.offers);
    for (let begun = 0; begun < 6; begun += 1) queue.next();
    for (let done = 0; done < count; done += 1) {
      const job = queue.next();
      if (job !== undefined) queue.done(job.offer);
    }
    return counted.reads;
  };
  expect(readsFor(4000)).toBeLessThan(5 * readsFor(1000));
});
