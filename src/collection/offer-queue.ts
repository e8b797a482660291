import type { Offer } from '../source/source.js';

/** Most requests that one host is sent at once: as many as browsers allow themselves. */
const perHost = 6;

/** An offer and its place among all. */
export interface Job {
  readonly offer: Offer;
  readonly index: number;
}

/** What is done of one host. */
interface Host {
  busy: number;
  /** Those whose turn came while the host was busy; of them the first `begun` are no longer here. */
  readonly put: Job[];
  begun: number;
}

/** Hands out offers in order, but no more of one host at once than it is sent. Each offer is looked at once or twice, however many wait. */
export class OfferQueue {
  readonly #offers: readonly Offer[];
  readonly #hosts = new Map<string, Host>();
  /** Waited for a host that has come free: they are next. */
  readonly #free: Job[] = [];
  #next = 0;

  constructor(offers: readonly Offer[]) {
    this.#offers = offers;
  }

  /** Undefined where nothing may be begun; whoever works on the busy host then takes what is left. */
  next(): Job | undefined {
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    for (;;) {
      const index = this.#next;
      const offer = this.#offers[index];
      if (offer === undefined) return undefined;
      this.#next += 1;
      const host = offer.host === undefined ? undefined : this.#hostOf(offer.host);
      if (host === undefined) return { offer, index };
      if (host.busy < perHost) {
        host.busy += 1;
        return { offer, index };
      }
      host.put.push({ offer, index });
    }
  }

  /** Whoever says so asks for the {@link next} one. */
  done({ host: name }: Offer): void {
    if (name === undefined) return;
    const host = this.#hostOf(name);
    const job = host.put[host.begun];
    if (job === undefined) {
      host.busy -= 1;
      return;
    }
    host.begun += 1;
    this.#free.push(job);
  }

  #hostOf(name: string): Host {
    const host = this.#hosts.get(name) ?? { busy: 0, put: [], begun: 0 };
    this.#hosts.set(name, host);
    return host;
  }
}
