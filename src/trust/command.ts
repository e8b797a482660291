import { createHash } from 'node:crypto';
import { PlugferryError } from '../errors.js';
import { runHelper } from '../process/helper-program.js';
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
  const { output, failure } = await runHelper({
    program: '/bin/sh',
    args: ['-c', command],
    environment: { ...environment, PLUGFERRY_DIGEST_SHA256: digest },
    input: bytes,
    maxOutput: maxDetachedBytes,
    asksPerson: true,
    signal,
  });
  if (failure !== undefined) throw failed(failure);
  if (output.length === 0) throw failed('printed nothing');
  return output;
}

/** Does not repeat the command, in which a PIN may stand. */
const failed = (reason: string): PlugferryError =>
  new PlugferryError('E_SIGN_COMMAND', `the signing command ${reason}`, {
    hint:
      'It gets the bytes to sign on stdin and their SHA-256 in $PLUGFERRY_DIGEST_SHA256, and must print one signature, raw or ' +
      'in base64. Its own messages stand above.',
    details: { found: reason },
  });
