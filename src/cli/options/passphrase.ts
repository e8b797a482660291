import { createReadStream, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { isatty, ReadStream } from 'node:tty';
import { PlugferryError } from '../../errors.js';
import type { OptionTable } from '../option-table.js';
import { askHidden, maxSecret, secretInFile, secretInVariable, secretLine } from './secret.js';

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
 * @param signal ends a wait for it.
 * @throws PlugferryError `E_PASSPHRASE` when there is no way to get it.
 */
export async function readPassphrase(
  flags: PassphraseFlags,
  { twice, signal }: { readonly twice: boolean; readonly signal: AbortSignal },
): Promise<Buffer> {
  const file = flags['passphrase-file'];
  const fd = flags['passphrase-fd'];
  if (file !== undefined) return secretInFile(file, 'passphrase');
  if (fd !== undefined)
    return secretLine(await readDescriptor(fd, signal), `file descriptor ${fd}`, 'passphrase');
  return secretInVariable('PLUGFERRY_KEY_PASSPHRASE', 'passphrase') ?? promptFor(twice, signal);
}

async function readDescriptor(fd: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of bytesOf(fd, signal)) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxSecret) break;
    }
  } catch (error) {
    throw new PlugferryError('E_PASSPHRASE', `file descriptor ${fd} cannot be read`, {
      hint: 'Open it for the command, for example: plugferry ... --passphrase-fd 3 3< FILE',
      details: { file: `fd ${fd}` },
      cause: error,
    });
  }
  return Buffer.concat(chunks).subarray(0, maxSecret);
}

/** The bytes of what is open. A wait for a pipe, socket or terminal ends by the signal; one for a file need not. */
async function* bytesOf(fd: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const stats = fstatSync(fd);
  if (!isatty(fd) && !stats.isFIFO() && !stats.isSocket()) {
    for await (const chunk of createReadStream('', { fd, autoClose: false })) yield chunk as Buffer;
    return;
  }
  const stream = isatty(fd) ? new ReadStream(fd) : new Socket({ fd, readable: true, writable: false });
  try {
    for await (const chunk of addAbortSignal(signal, stream)) yield chunk as Buffer;
  } finally {
    stream.destroy();
  }
}

async function promptFor(twice: boolean, signal: AbortSignal): Promise<Buffer> {
  const questions = twice ? ['Passphrase: ', 'The same again: '] : ['Passphrase: '];
  const answers = await askHidden(questions, signal);
  const [first, second] = answers ?? [];
  if (first === undefined) {
    throw new PlugferryError(
      'E_PASSPHRASE',
      'the private key needs a passphrase, and there is no terminal to ask on',
      { hint: 'Give --passphrase-file FILE, or set PLUGFERRY_KEY_PASSPHRASE from your secret store.' },
    );
  }
  if (second === undefined || first.equals(second)) return first;
  throw new PlugferryError('E_PASSPHRASE', 'the two passphrases differ', { hint: 'Run the command again.' });
}
