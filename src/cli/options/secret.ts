import { openSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { PlugferryError } from '../../errors.js';
import { readSecretFile } from '../../files/key-file.js';
import { escapeLine } from '../../stream/text.js';

/** Most bytes of a passphrase or password. */
export const maxSecret = 4096;

/** The one line of a file that holds a secret; `E_EXPOSED` where others could read or change it. */
export const secretInFile = async (file: string, what: string): Promise<Buffer> =>
  secretLine(await readSecretFile(file, what, maxSecret), file, what);

/** The value of an environment variable that holds a secret; undefined when it is not set. */
export function secretInVariable(name: string, what: string): Buffer | undefined {
  const value = process.env[name];
  return value === undefined ? undefined : secretLine(Buffer.from(value), name, what);
}

/**
 * The secret in what was read from `where`: its only line.
 *
 * @throws PlugferryError `E_PASSPHRASE`.
 */
export function secretLine(bytes: Buffer, where: string, what: string): Buffer {
  const line = bytes.subarray(0, /\r?\n?$/.exec(bytes.toString('latin1'))?.index ?? bytes.length);
  if (line.length > 0 && !line.includes('\n')) return line;
  throw new PlugferryError('E_PASSPHRASE', `${where} does not hold a ${what}, expected one line`, {
    hint: `Put the ${what} there, on a single line.`,
    details: { file: where },
  });
}

/**
 * Asks on the terminal without echo, one question after the other. Not on stdin: that may be a pipe with data in it.
 *
 * @returns undefined where there is no terminal.
 * @throws PlugferryError `E_INTERRUPTED` at Ctrl-C, and when the process is told to end.
 */
export async function askHidden(
  questions: readonly string[],
  signal?: AbortSignal,
): Promise<Buffer[] | undefined> {
  signal?.throwIfAborted();
  let terminal: ReadStream;
  try {
    terminal = new ReadStream(openSync('/dev/tty', 'r+'));
  } catch {
    return undefined;
  }
  try {
    const answers: Buffer[] = [];
    for (const question of questions) answers.push(await ask(terminal, escapeLine(question)));
    return answers;
  } finally {
    terminal.destroy();
  }
}

const keys = {
  enter: 0x0d,
  lineFeed: 0x0a,
  interrupt: 0x03,
  endOfInput: 0x04,
  delete: 0x7f,
  backspace: 0x08,
} as const;

const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/** Reads a line from a terminal in raw mode, so that nothing is echoed. */
async function ask(terminal: ReadStream, question: string): Promise<Buffer> {
  // Before the question is seen: whoever answers at once must not be echoed.
  terminal.setRawMode(true);
  process.stderr.write(question);
  const typed: number[] = [];
  let stop = (): void => undefined;
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      const onData = (chunk: Buffer): void => {
        for (const byte of chunk) {
          if (byte === keys.interrupt || (byte === keys.endOfInput && typed.length === 0)) {
            reject(new PlugferryError('E_INTERRUPTED', 'interrupted', { hint: 'Nothing was written.' }));
          } else if (byte === keys.enter || byte === keys.lineFeed) {
            terminal.off('data', onData);
            resolve(Buffer.from(typed));
            return;
          } else if (byte === keys.delete || byte === keys.backspace) typed.pop();
          else if (typed.length < maxSecret) typed.push(byte);
        }
      };
      terminal.on('data', onData);
      // Whoever runs the command line tells which of them it was.
      stop = (): void => {
        reject(new PlugferryError('E_INTERRUPTED', 'interrupted', { hint: 'Nothing was written.' }));
      };
      for (const signal of stopSignals) process.once(signal, stop);
    });
  } finally {
    for (const signal of stopSignals) process.off(signal, stop);
    terminal.setRawMode(false);
    process.stderr.write('\n');
  }
}
