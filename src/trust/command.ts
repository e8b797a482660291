import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { PlugferryError } from '../errors.js';
import { maxDetachedBytes } from './detached.js';

/** A program that signs: an HSM, a key service, cosign, openssl. */
export interface SigningCommand {
  /** Run by `/bin/sh -c`. It is the operator's own text; nothing of a bundle is ever put into it. */
  readonly command: string;
  /** The environment of the command. `PLUGFERRY_DIGEST_SHA256` (64 hex characters) is added. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

/**
 * What a signing command prints for these bytes. It is given them on stdin and their SHA-256 in `PLUGFERRY_DIGEST_SHA256`,
 * and prints one signature on stdout, in any form that {@link provenSignature} reads. Its stderr and terminal are ours, so
 * that it can ask for a PIN.
 *
 * @throws PlugferryError `E_SIGN_COMMAND` when it cannot be run, fails, prints nothing or far too much.
 */
export async function outputOfCommand(bytes: Uint8Array, options: SigningCommand): Promise<Buffer> {
  const { command, environment, signal } = options;
  const digest = createHash('sha256').update(bytes).digest('hex');
  const child = spawn('/bin/sh', ['-c', command], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...environment, PLUGFERRY_DIGEST_SHA256: digest },
    ...(signal === undefined ? {} : { signal }),
  });
  // A command that works on the digest alone need not read its input.
  child.stdin.on('error', () => undefined);
  child.stdin.end(bytes);
  const output: Buffer[] = [];
  let length = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= maxDetachedBytes) output.push(chunk);
    // Killing the shell does not end what it started; nobody listening any more does.
    else child.stdout.destroy();
  });
  const ended = await endOf(child, signal);
  if (length > maxDetachedBytes) throw failed(`printed more than ${maxDetachedBytes} bytes`);
  if (ended !== undefined) throw failed(ended);
  if (length === 0) throw failed('printed nothing');
  return Buffer.concat(output);
}

/** What went wrong, or undefined after exit code 0. */
function endOf(child: ChildProcess, signal: AbortSignal | undefined): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      child.stdout?.destroy();
      if (signal?.aborted === true) reject(signal.reason as Error);
      else resolve(`could not be run: ${error.message}`);
    });
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve(undefined);
      else
        resolve(killedBy === null ? `ended with exit code ${code ?? 'unknown'}` : `was ended by ${killedBy}`);
    });
  });
}

/** Does not repeat the command, in which a PIN may stand. */
const failed = (reason: string): PlugferryError =>
  new PlugferryError('E_SIGN_COMMAND', `the signing command ${reason}`, {
    hint:
      'It gets the bytes to sign on stdin and their SHA-256 in $PLUGFERRY_DIGEST_SHA256, and must print one signature, raw or ' +
      'in base64. Its own messages stand above.',
    details: { found: reason },
  });
