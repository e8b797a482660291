import { createReadStream, openSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { PlugferryError } from '../errors.js';
import { readSmallFile } from '../io/file.js';
import type { OptionTable } from './command.js';

/** Most bytes of a passphrase. */
const maxLength = 4096;

export const passphraseOptions = {
  'passphrase-file': { type: 'string', describe: 'File with the passphrase of the private key (one line)' },
  'passphrase-fd': { type: 'number', describe: 'Open file descriptor to read the passphrase from' },
} as const satisfies OptionTable;

interface PassphraseFlags {
  readonly 'passphrase-file': string | undefined;
  readonly 'passphrase-fd': number | undefined;
}

/**
 * The passphrase, from the first of: `--passphrase-file`, `--passphrase-fd`, the environment variable
 * `PLUGFERRY_KEY_PASSPHRASE`, a prompt on the terminal without echo. Never from the command line, which other users of
 * the machine can read.
 *
 * @param twice ask for it a second time at the prompt, for a passphrase that is new.
 * @throws PlugferryError `E_PASSPHRASE` when there is no way to get it.
 */
export async function readPassphrase(
  flags: PassphraseFlags,
  { twice }: { readonly twice: boolean },
): Promise<Buffer> {
  const file = flags['passphrase-file'];
  const fd = flags['passphrase-fd'];
  if (file !== undefined) return firstLine(await readSmallFile(file, 'passphrase', maxLength), file);
  if (fd !== undefined) return firstLine(await readDescriptor(fd), `file descriptor ${fd}`);
  const value = process.env['PLUGFERRY_KEY_PASSPHRASE'];
  if (value !== undefined) return firstLine(Buffer.from(value), 'PLUGFERRY_KEY_PASSPHRASE');
  return promptFor(twice);
}

function firstLine(bytes: Buffer, where: string): Buffer {
  const line = bytes.subarray(0, /\r?\n?$/.exec(bytes.toString('latin1'))?.index ?? bytes.length);
  if (line.length > 0 && !line.includes('\n')) return line;
  throw new PlugferryError('E_PASSPHRASE', `${where} does not hold a passphrase, expected one line`, {
    hint: 'Put the passphrase there, on a single line.',
    details: { file: where },
  });
}

async function readDescriptor(fd: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of createReadStream('', { fd, autoClose: false })) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length > maxLength) break;
    }
  } catch (error) {
    throw new PlugferryError('E_PASSPHRASE', `file descriptor ${fd} cannot be read`, {
      hint: 'Open it for the command, for example: plugferry ... --passphrase-fd 3 3< FILE',
      details: { file: `fd ${fd}` },
      cause: error,
    });
  }
  return Buffer.concat(chunks).subarray(0, maxLength);
}

async function promptFor(twice: boolean): Promise<Buffer> {
  let terminal: ReadStream;
  try {
    // Not stdin: that may be a pipe with data in it.
    terminal = new ReadStream(openSync('/dev/tty', 'r+'));
  } catch (error) {
    throw new PlugferryError(
      'E_PASSPHRASE',
      'the private key needs a passphrase, and there is no terminal to ask on',
      {
        hint: 'Give --passphrase-file FILE, or set PLUGFERRY_KEY_PASSPHRASE from your secret store.',
        cause: error,
      },
    );
  }
  try {
    const first = await ask(terminal, 'Passphrase: ');
    if (twice && !first.equals(await ask(terminal, 'The same again: '))) {
      throw new PlugferryError('E_PASSPHRASE', 'the two passphrases differ', {
        hint: 'Run the command again.',
      });
    }
    return first;
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

/** Reads a line from a terminal in raw mode, so that nothing is echoed. */
async function ask(terminal: ReadStream, question: string): Promise<Buffer> {
  process.stderr.write(question);
  terminal.setRawMode(true);
  const typed: number[] = [];
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
          else if (typed.length < maxLength) typed.push(byte);
        }
      };
      terminal.on('data', onData);
    });
  } finally {
    terminal.setRawMode(false);
    process.stderr.write('\n');
  }
}
