import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What one piece of work took. */
export interface Taken {
  /** Bytes by which the memory of this process grew at its peak. */
  readonly memory: number;
  /** Seconds of processor time, of all threads of this process: steadier than a clock where others are at work as well. */
  readonly processor: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * For the start of a case: so that no room is left behind in which the next piece of work could grow unseen. Buffers are freed
 * by another thread behind the first collection; the second one waits for it.
 */
export function collectGarbage(): void {
  collect();
  collect();
}

/**
 * The most memory that this process used since {@link forgetPeak}, in bytes. Where the system cannot forget, since its start:
 * then growth is seen only where it is a record.
 */
function peakMemory(): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

/** Linux forgets the peak of a process that asks for it (proc(5), clear_refs). */
function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Elsewhere the peak stays: see peakMemory.
  }
}

/** Does some work and tells what it took. */
export async function measured<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly taken: Taken }> {
  forgetPeak();
  const [memory, processor] = [peakMemory(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(processor);
  return { result, taken: { memory: peakMemory() - memory, processor: (user + system) / 1e6 } };
}
