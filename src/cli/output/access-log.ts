import type { ServeOptions } from '../../index.js';
import { asciiJson } from '../../stream/text.js';
import type { Terminal } from './terminal.js';

type Log = NonNullable<ServeOptions['log']>;

/** Bytes of lines that may wait for whoever reads the log; beyond it they are dropped, since memory is for plugins. */
const mostWaiting = 1024 * 1024;

/**
 * One line a request: JSON for programs, and short lines for a person at a terminal. Whoever reads the log may be slow, hang or
 * be gone, and the disk may be full: lines are lost then, and counted, and the server goes on.
 */
export function accessLog(terminal: Terminal, stream: NodeJS.WriteStream): Log {
  const lineOf = stream.isTTY ? lineForPeople : lineForPrograms;
  let onFailure = (): void => undefined;
  stream.on('error', () => {
    onFailure();
  });
  return (record, onDropped) => {
    onFailure = onDropped;
    if (stream.writableLength > mostWaiting) onDropped();
    else terminal.say(lineOf(record));
  };
}

type Record = Parameters<Log>[0];

const rounded = (ms: number): number => Math.round(ms * 10) / 10;

const lineForPrograms = (record: Record): string =>
  asciiJson({ time: new Date().toISOString(), ...record, ms: rounded(record.ms) });

function lineForPeople({ method, path, status, bytes, ms, remote, aborted, problem }: Record): string {
  const trouble = [...(aborted ? ['cut short'] : []), ...(problem === undefined ? [] : [problem])];
  return [status, method, path, `${bytes} B`, `${rounded(ms)} ms`, remote, ...trouble].join(' ');
}
