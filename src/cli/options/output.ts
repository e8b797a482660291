import type { Writable } from 'node:stream';
import type { PushResult } from '../../index.js';
import type { OptionTable } from '../option-table.js';
import type { Terminal } from '../output/terminal.js';

/** The option of every command that writes a bundle, wherever that is to be. */
export const outputOption = {
  alias: 'o',
  type: 'string',
  describe:
    'Bundle to write (.tar.gz or .zip): a path, - (standard output, .tar.gz), sftp:// or http(s):// (by PUT)',
} as const satisfies OptionTable[string];

/** Standard output for what is to be written there. */
export const stdoutFor = (
  output: string | undefined,
  terminal: Pick<Terminal, 'bytes'>,
): { readonly stdout?: Writable } => (output === '-' ? { stdout: terminal.bytes() } : {});

const proofs = {
  digest: 'the server holds the same bytes (SHA-256 compared)',
  size: 'the server holds as many bytes (it names no digest)',
  none: 'the server said that it took the file, and tells no more',
} as const;

/** The digest file that was written beside a bundle, and its signature. */
export const digestRows = (files: readonly string[] = []): (readonly [string, string])[] =>
  files.map((file) => ['beside it', file]);

/** What was compared with what another machine holds, where a file went there. */
export const proofRows = (proof: PushResult['proof'] | undefined): (readonly [string, string])[] =>
  proof === undefined ? [] : [['compared', proofs[proof]]];
