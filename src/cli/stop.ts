import { isPlugferryError, PlugferryError } from '../errors.js';
import { exitCodes } from './exit-codes.js';

/** Milliseconds that a command has, once it was told to end, to clean up: what is not cancelled by then is left to the next run. */
const cleanupMs = 10_000;
/** Milliseconds that the process waits for what nobody waits for any more. */
const lingerMs = 1_000;

const leftovers = 'Nothing half written has its final name. Run the same command again.';

/** What the signals of a run do. */
export interface Stop {
  /** Aborted by the first Ctrl-C or SIGTERM, with the error to report. */
  readonly signal: AbortSignal;
  /** A command that finishes what is under way after the signal, however long that takes, calls this. */
  readonly finishesItself: () => void;
  /** The result of `work`; should it not end in good time after the signal, the reason of that. */
  within<T>(work: Promise<T>): Promise<T>;
  /** Listens no more. */
  forget(): void;
}

/** Turns the first Ctrl-C or SIGTERM into an abort; a second one ends the process at once, as if nobody listened. */
export function listenToSignals(): Stop {
  const controller = new AbortController();
  const { signal } = controller;
  let overdue: (error: unknown) => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  let isPatient = false;
  const stop = (code: 'E_INTERRUPTED' | 'E_TERMINATED', message: string): void => {
    const reason = new PlugferryError(code, message, { hint: leftovers });
    if (!isPatient) {
      timer = setTimeout(() => {
        overdue(reason);
      }, cleanupMs);
      // What fails without anybody waiting for it, because it was ended, is no defect.
      process.on('uncaughtException', () => {
        overdue(reason);
      });
      leaveStandardInput(reason);
    }
    controller.abort(reason);
  };
  const onInterrupt = (): void => {
    stop('E_INTERRUPTED', 'interrupted');
  };
  const onTerminate = (): void => {
    stop('E_TERMINATED', 'terminated');
  };
  process.once('SIGINT', onInterrupt);
  process.once('SIGTERM', onTerminate);
  return {
    signal,
    finishesItself: () => {
      isPatient = true;
    },
    within: (work) =>
      Promise.race([
        work,
        new Promise<never>((_resolve, reject) => {
          overdue = reject;
        }),
      ]),
    forget: () => {
      clearTimeout(timer);
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
      if (signal.aborted && !isPatient) endSoon(signal.reason);
    },
  };
}

/** Whoever waits for more of it hears that there is none. */
function leaveStandardInput(reason: Error): void {
  process.stdin.on('error', () => undefined);
  process.stdin.destroy(reason);
}

/** What still keeps the process alive is a wait that cannot be cancelled: nothing comes of it any more. */
function endSoon(reason: unknown): void {
  const code = isPlugferryError(reason) ? exitCodes[reason.code] : exitCodes.E_INTERNAL;
  // Not counted among what keeps the process alive: usually it has ended before.
  setTimeout(() => {
    // eslint-disable-next-line no-restricted-properties -- whoever returned the code was not heard: something is waited for still.
    process.exit(code);
  }, lingerMs).unref();
}
