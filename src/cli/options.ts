import { readPublicKeys, readSigner, type Signer, type Trust } from '../index.js';
import { PlugferryError } from '../errors.js';
import type { OptionTable } from './command.js';
import { passphraseOptions, readPassphrase } from './passphrase.js';
import type { Terminal } from './terminal.js';

/** Options of every command that checks a bundle. */
export const trustOptions = {
  'public-key': {
    type: 'string',
    array: true,
    describe: 'Public key file of a trusted signer; one valid signature is enough (repeatable)',
  },
  'insecure-skip-signature': {
    type: 'boolean',
    default: false,
    describe: 'Accept a bundle that nobody is known to have signed; logged, and marks the release',
  },
} as const satisfies OptionTable;

interface TrustFlags {
  readonly 'public-key': readonly (string | number)[] | undefined;
  readonly 'insecure-skip-signature': boolean;
}

/** What the trust options ask for. Skipping the check is said aloud every time. */
export async function readTrust(flags: TrustFlags, terminal: Terminal): Promise<Trust> {
  const files = (flags['public-key'] ?? []).map(String);
  if (!flags['insecure-skip-signature']) return { publicKeys: await readPublicKeys(files) };
  if (files.length > 0) {
    throw new PlugferryError('E_USAGE', '--public-key and --insecure-skip-signature contradict each other', {
      hint: 'Leave out --insecure-skip-signature to have the signature checked.',
    });
  }
  terminal.warn('the signature is not checked: anybody may have made or changed this bundle');
  return { insecureSkipSignature: true };
}

/** Options of every command that signs. */
export const signingOptions = {
  'signing-key': { type: 'string', describe: 'Private key file to sign with' },
  ...passphraseOptions,
  'allow-plain-key': {
    type: 'boolean',
    default: false,
    describe: 'Accept a private key that is not encrypted',
  },
} as const satisfies OptionTable;

interface SigningFlags {
  readonly 'signing-key': string | undefined;
  readonly 'passphrase-file': string | undefined;
  readonly 'passphrase-fd': number | undefined;
  readonly 'allow-plain-key': boolean;
}

/** The signer that the signing options name, if any. */
export async function signerFrom(flags: SigningFlags): Promise<Signer | undefined> {
  const file = flags['signing-key'];
  if (file === undefined) return undefined;
  return readSigner(file, {
    passphrase: () => readPassphrase(flags, { twice: false }),
    allowPlainKey: flags['allow-plain-key'],
  });
}
