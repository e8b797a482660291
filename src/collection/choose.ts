import { PlugferryError } from '../errors.js';
import { select } from '../plugin/selection.js';
import { shortened } from '../source/rename.js';
import type { ProgressObserver } from '../stream/progress.js';
import { gather, type Gathered } from './collect.js';
import type { SourcesListing } from './combined-source.js';

/** Which of the offered plugins are taken, and how. */
export interface ChoiceOptions {
  /** Patterns `name[@version]` with `*` and `?` of what to take; none means everything. */
  readonly include?: readonly string[];
  /** Patterns of what to leave out. */
  readonly exclude?: readonly string[];
  /** Most plugins that are fetched at once. @default 4 */
  readonly jobs?: number;
  /** Leave out what cannot be had, and say what that was, instead of failing. @default false */
  readonly keepGoing?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly notify?: ((message: string) => void) | undefined;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver | undefined;
}

/**
 * Fetches and surveys what was asked for.
 *
 * @throws PlugferryError `E_SELECTION`, and as {@link gather}.
 */
export async function collectChosen(
  { offers, nameless }: SourcesListing,
  { include = [], exclude = [], jobs = 4, keepGoing = false, signal, notify, onProgress }: ChoiceOptions,
): Promise<Gathered> {
  // Patterns are patterns of names: what has none is not meant by them.
  if (include.length === 0 && nameless.length > 0) throw withoutName(nameless);
  const chosen = select(offers, { include, exclude });
  return gather(chosen, { jobs, keepGoing, signal, notify, onProgress });
}

function withoutName(nameless: SourcesListing['nameless']): PlugferryError {
  const callings = nameless.map(({ from }) => from);
  return new PlugferryError('E_SELECTION', `no name and version follow from ${shortened(callings)}`, {
    hint: 'Name each with --as FROM=name@version, or take only what has a name with --plugin.',
    details: { file: callings[0] ?? '', nameless: callings },
  });
}
