import { randomFrom } from '../../helpers/mutation.js';

/** Choices, the same for the same seed. */
export class Dice {
  readonly #random: (limit: number) => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  /** A whole number from 0 up to a limit. */
  below(limit: number): number {
    return this.#random(limit);
  }

  /** True in one of so many throws. */
  once(inThrows: number): boolean {
    return this.#random(inThrows) === 0;
  }

  of<Item>(items: readonly [Item, ...Item[]] | readonly Item[]): Item {
    return items[this.#random(items.length)] as Item;
  }

  /** From none up to so many of what is made. */
  some<Item>(most: number, make: () => Item): Item[] {
    return Array.from({ length: this.#random(most + 1) }, make);
  }
}
