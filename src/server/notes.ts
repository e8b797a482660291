import { compareText } from '../plugin/plugin.js';

/** Collects what is left out, one line a reason, so that a wrong directory does not fill the log. */
export class Notes {
  readonly #byReason = new Map<string, string[]>();

  add(reason: string, path: string): void {
    const paths = this.#byReason.get(reason);
    if (paths === undefined) this.#byReason.set(reason, [path]);
    else paths.push(path);
  }

  /** Sorted, because what is found first differs from run to run. */
  lines(): string[] {
    const lines = [...this.#byReason].map(([reason, paths]) => {
      const more = paths.length > shown ? ` and ${paths.length - shown} more` : '';
      return `not served, ${reason}: ${paths.sort(compareText).slice(0, shown).join(', ')}${more}`;
    });
    return lines.sort(compareText);
  }
}

const shown = 5;
