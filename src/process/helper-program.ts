import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { systemCode } from '../errors.js';

/** A program of somebody else that is run for its output: for a login, or for a signature. */
export interface HelperProgram {
  readonly program: string;
  readonly args: readonly string[];
  /** All that it gets to know; nothing is added. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What it reads on stdin. @default nothing */
  readonly input?: Uint8Array;
  /** Most bytes that it may print. */
  readonly maxOutput: number;
  /** Milliseconds until it is ended; without it, it may wait for a person. */
  readonly patienceMs?: number;
  /**
   * It talks to a person: its stderr is ours, and where there is a terminal it stays in our process group, which is that of the
   * terminal. One in a session of its own, as Node starts it otherwise, has no terminal to ask on.
   */
  readonly asksPerson?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface HelperEnd {
  readonly output: Buffer;
  /** The last of what it said on stderr, where that is not ours. */
  readonly said: string;
  /** Why its output counts for nothing, in words; undefined after exit code 0. */
  readonly failure: string | undefined;
}

/** Milliseconds for what a program printed to arrive once it has ended. Whatever it left behind may hold the pipe for ever. */
const graceMs = 500;
const maxSaid = 4096;

/**
 * Runs a program to its end, its limit, or an abort, whichever comes first, and waits for nothing that it left behind. What it left
 * behind after a success is let be, as agents are meant to stay; at its limit or an abort its whole process group is ended.
 *
 * @throws the reason of an abort.
 */
export async function runHelper(helper: HelperProgram): Promise<HelperEnd> {
  const { signal, maxOutput, patienceMs } = helper;
  const asksPerson = helper.asksPerson === true;
  const isOurGroup = asksPerson && hasTerminal();
  signal?.throwIfAborted();
  const child = spawn(helper.program, helper.args, {
    env: { ...helper.environment },
    stdio: [helper.input === undefined ? 'ignore' : 'pipe', 'pipe', asksPerson ? 'inherit' : 'pipe'],
    detached: !isOurGroup,
  });
  // It need not read what it is given.
  child.stdin?.on('error', () => undefined).end(helper.input);
  const output: Buffer[] = [];
  let [size, said] = [0, ''];
  const end = await new Promise<string | undefined>((done) => {
    const stop = (reason: string): void => {
      killAll(child, isOurGroup);
      done(reason);
    };
    const onAbort = (): void => {
      stop('was interrupted');
    };
    const timer =
      patienceMs === undefined
        ? undefined
        : setTimeout(stop, patienceMs, `gave no answer within ${patienceMs / 1000} seconds`);
    signal?.addEventListener('abort', onAbort, { once: true });
    child.stdout?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxOutput) stop(`printed more than ${maxOutput} bytes`);
      else output.push(chunk);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-maxSaid);
    });
    child.on('error', (error) => {
      done(`could not be run: ${systemCode(error) ?? error.message}`);
    });
    child.on('exit', (code, killed) => {
      const reason = killed === null ? `ended with exit code ${code ?? 'unknown'}` : `was ended by ${killed}`;
      clearTimeout(timer);
      void arrived(child.stdout).then(() => {
        signal?.removeEventListener('abort', onAbort);
        done(code === 0 ? undefined : reason);
      });
    });
  });
  // Nobody listens any more, whoever holds the other ends.
  for (const stream of child.stdio) stream?.destroy();
  child.unref();
  signal?.throwIfAborted();
  return { output: Buffer.concat(output), said: said.trim(), failure: end };
}

/** The end of a stream, or {@link graceMs}. */
async function arrived(stream: Readable | null): Promise<void> {
  if (stream === null || stream.readableEnded) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, graceMs);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Whether this process has a terminal of its own. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r+'));
    return true;
  } catch {
    return false;
  }
}

/** One that shares our group gets the signals of the terminal by itself; ending the group would end us. */
function killAll(child: ChildProcess, isOurGroup: boolean): void {
  try {
    if (isOurGroup) child.kill('SIGTERM');
    else if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
