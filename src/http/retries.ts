import { isTransient } from './network-errors.js';
import { pause } from './deadlines.js';

/** When a failed request is made once more. */
export interface Retrying {
  /** Milliseconds before each further try, as far as the server does not ask for more. */
  readonly retryMs: readonly number[];
  /** Milliseconds for which the server asked its caller to wait when a try failed with this error. */
  readonly askedMs: (error: unknown) => number;
  /** Whether the try that just failed came so far that all tries are to be had again. @default never */
  readonly isProgress?: () => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Makes a request until it succeeds, fails for good, or all tries are used up. @throws what the last try threw */
export async function retrying<T>(
  attempt: () => Promise<T>,
  { retryMs, askedMs, isProgress, signal }: Retrying,
): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (isProgress?.() === true) tries = 0;
      const waitMs = retryMs[tries];
      if (waitMs === undefined || !isTransient(error)) throw error;
      await pause(Math.max(waitMs, askedMs(error)), signal);
    }
  }
}
