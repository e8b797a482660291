import { isPlugferryError, PlugferryError, type ErrorCode } from '../errors.js';
import { Fetching } from './fetch-progress.js';
import type { Progress, ProgressObserver } from '../stream/progress.js';
import { OfferQueue } from './offer-queue.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { Offer, SourcePlugin } from '../source/source.js';
import { surveyPlugin, type SurveyedPlugin } from '../source/survey.js';

export interface GatherOptions {
  /** Most plugins that are fetched at once. */
  readonly jobs: number;
  /** Leave out what cannot be had instead of failing. */
  readonly keepGoing: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly notify?: ((message: string) => void) | undefined;
  readonly onProgress?: ProgressObserver | undefined;
}

/** Why a plugin was left out. */
export interface ExportFailure extends PluginId {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

export interface Gathered {
  /** In the order of the offers, each name and version once. */
  readonly plugins: readonly SurveyedPlugin[];
  /** Empty unless it was asked to keep going. */
  readonly failures: readonly ExportFailure[];
}

/**
 * Fetches and surveys offers, several at a time. What comes out does not depend on which one is faster.
 *
 * @param offers ascending by name and version; of those with the same name and version all bytes must be equal, and the first
 *   is taken.
 * @throws PlugferryError of the first offer that failed, `E_CONFLICT` for a name and version with different bytes; when
 *   keeping going, only when nothing is left.
 */
export async function gather(offers: readonly Offer[], options: GatherOptions): Promise<Gathered> {
  for (const offer of offers) offer.want?.();
  const outcomes = await outcomesOf(offers, options);
  const plugins: SurveyedPlugin[] = [];
  const failures: ExportFailure[] = [];
  for (const group of groupsOf(outcomes)) {
    const merged = merge(group);
    if (!isPlugferryError(merged)) plugins.push(merged);
    else if (options.keepGoing) failures.push(failureOf(group[0].offer, merged));
    else throw merged;
  }
  const [first] = outcomes.filter(({ error }) => error !== undefined);
  if (plugins.length === 0 && first?.error !== undefined) throw first.error;
  return { plugins, failures };
}

interface Outcome {
  readonly offer: Offer;
  readonly plugin?: SurveyedPlugin;
  readonly error?: PlugferryError;
}

async function outcomesOf(offers: readonly Offer[], options: GatherOptions): Promise<Outcome[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const queue = new OfferQueue(offers);
  const fetching = new Fetching(offers, options.onProgress);
  const survey = (plugin: SourcePlugin, progress?: Progress): Promise<SurveyedPlugin> =>
    surveyPlugin(plugin, signal, progress);
  const outcomes: Outcome[] = [];
  const failures: Error[] = [];
  const work = async (): Promise<void> => {
    for (let job = queue.next(); job !== undefined && failures.length === 0; job = queue.next()) {
      const { offer, index } = job;
      try {
        options.notify?.(`reading ${formatPluginId(offer)} (${index + 1} of ${offers.length})`);
        outcomes[index] = { offer, plugin: await fetching.one(offer, signal, survey) };
      } catch (error) {
        if (options.keepGoing && isOnlyOne(error)) {
          outcomes[index] = { offer, error };
        } else {
          failures.push(error instanceof Error ? error : new Error(String(error)));
          stop.abort(error);
        }
      } finally {
        queue.done(offer);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.jobs, offers.length) }, work));
  fetching.finish();
  options.signal?.throwIfAborted();
  const [first] = failures;
  // The others were aborted because of it.
  if (first !== undefined) throw first;
  return outcomes;
}

/** Whether other plugins may fare better: not when somebody stops us, the disk is full, or we are broken. */
const isOnlyOne = (error: unknown): error is PlugferryError =>
  isPlugferryError(error) &&
  !['E_INTERRUPTED', 'E_TERMINATED', 'E_NO_SPACE', 'E_INTERNAL'].includes(error.code);

function groupsOf(outcomes: readonly Outcome[]): [Outcome, ...Outcome[]][] {
  const groups = new Map<string, [Outcome, ...Outcome[]]>();
  for (const outcome of outcomes) {
    const id = formatPluginId(outcome.offer);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [outcome]);
    else group.push(outcome);
  }
  return [...groups.values()];
}

/** The one plugin that all outcomes of a name and version are. */
function merge(group: readonly Outcome[]): SurveyedPlugin | PlugferryError {
  const failed = group.find(({ error }) => error !== undefined);
  if (failed?.error !== undefined) return failed.error;
  const [first, ...rest] = group.flatMap(({ offer, plugin }) =>
    plugin === undefined ? [] : [{ offer, plugin }],
  );
  if (first === undefined) return new PlugferryError('E_INTERNAL', 'an offer has no outcome');
  const other = rest.find(({ plugin }) => plugin.wasm.sha256 !== first.plugin.wasm.sha256);
  return other === undefined ? first.plugin : conflict(first, other);
}

type Arrived = { readonly offer: Offer; readonly plugin: SurveyedPlugin };

function conflict(one: Arrived, other: Arrived): PlugferryError {
  const origins = [one, other].map(({ offer, plugin }) => ({
    source: offer.origin ?? '',
    reference: plugin.provenance.reference,
    sha256: plugin.wasm.sha256,
  }));
  const words = origins.map(
    ({ source, reference, sha256 }) => `${source} (${reference}) has sha256 ${sha256}`,
  );
  return new PlugferryError(
    'E_CONFLICT',
    `${formatPluginId(one.offer)} is two plugins: ${words.join(', ')}`,
    {
      hint: 'Take it from one of them: leave it out with --exclude here, and add it from the other by an export of its own.',
      details: { file: formatPluginId(one.offer), origins },
    },
  );
}

const failureOf = ({ name, version }: PluginId, { code, message, hint }: PlugferryError): ExportFailure => ({
  name,
  version,
  code,
  message,
  ...(hint === undefined ? {} : { hint }),
});
