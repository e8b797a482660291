import type { Signer, Trust } from '../../index.js';
import { readPublicKeys, readSigner } from '../../trust/key-files.js';
import { signerWithCommand, signerWithFile } from '../../trust/external-signer.js';
import { openTrustStore } from '../../operations/trust-store.js';
import { PlugferryError } from '../../errors.js';
import { type OptionTable, variable } from '../option-table.js';
import { passphraseOptions, readPassphrase } from './passphrase.js';
import { passphraseVariable, passwordVariable } from './ssh.js';
import type { Terminal } from '../output/terminal.js';

/** Options of every command that can check signatures. */
export const signerOptions = {
  'public-key': {
    type: 'string',
    array: true,
    describe: 'Public key file of a trusted signer; one valid signature is enough (repeatable)',
  },
  trust: {
    type: 'string',
    describe: 'Directory of a trust store: it says who must sign which set, and what else is asked',
  },
} as const satisfies OptionTable;

/** Options of every command that refuses a bundle nobody vouches for. */
export const trustOptions = {
  ...signerOptions,
  'insecure-skip-signature': {
    type: 'boolean',
    default: false,
    describe: 'Accept a bundle that nobody is known to have signed; logged, and marks the release',
  },
} as const satisfies OptionTable;

interface SignerFlags {
  readonly 'public-key': readonly (string | number)[] | undefined;
  readonly trust: string | undefined;
}

interface TrustFlags extends SignerFlags {
  readonly 'insecure-skip-signature': boolean;
}

/** What the trust options ask for. Skipping the check is said aloud every time. */
export async function readTrust(flags: TrustFlags, terminal: Terminal): Promise<Trust> {
  if (!flags['insecure-skip-signature']) return (await readSigners(flags)) ?? { publicKeys: [] };
  for (const other of ['public-key', 'trust'] as const) {
    if (flags[other] !== undefined) throw contradiction(other, 'insecure-skip-signature');
  }
  terminal.warn('the signature is not checked: anybody may have made or changed this bundle');
  return { insecureSkipSignature: true };
}

/** Whom the options name as signers, or undefined when they name nobody. */
export async function readSigners(flags: SignerFlags): Promise<Trust | undefined> {
  const { trust, 'public-key': publicKeys } = flags;
  if (trust !== undefined && publicKeys !== undefined) throw contradiction('public-key', 'trust');
  if (trust !== undefined) return { store: await openTrustStore(trust) };
  return publicKeys === undefined
    ? undefined
    : { publicKeys: await readPublicKeys(publicKeys.map(String), sudoUsers()) };
}

/** Whoever called sudo named the key file, and may have it at home. */
const sudoUsers = (): number[] => {
  const uid = process.geteuid?.() === 0 ? process.env['SUDO_UID'] : undefined;
  return uid !== undefined && /^\d{1,10}$/.test(uid) ? [Number(uid)] : [];
};

const contradiction = (one: string, other: string): PlugferryError =>
  new PlugferryError('E_USAGE', `--${one} and --${other} contradict each other`, {
    hint: `Give one of them. What the environment (${[one, other].map(variable).join(', ')}) or the --config file says counts as given.`,
  });

/** Options of every command that signs. */
export const signingOptions = {
  'signing-key': { type: 'string', describe: 'Private key file to sign with' },
  ...passphraseOptions,
  'allow-plain-key': {
    type: 'boolean',
    default: false,
    describe: 'Accept a private key that is not encrypted',
  },
  'sign-command': {
    type: 'string',
    describe:
      'Program that signs in place of a key file, run by /bin/sh: the bytes come on stdin, their SHA-256 in ' +
      '$PLUGFERRY_DIGEST_SHA256, and it prints a signature (DER or base64)',
  },
  'signed-by': {
    type: 'string',
    describe: 'Public key file of whoever signs elsewhere; what does not fit it is not stored',
  },
} as const satisfies OptionTable;

/** The option of every command that writes a bundle and can sign. */
export const signFileOption = {
  type: 'boolean',
  default: false,
  describe:
    'Write also OUTPUT.sha256 and its signature OUTPUT.sha256.sig, with which stock tools and install.sh check the file before ' +
    'they look into it',
} as const satisfies OptionTable[string];

interface SigningFlags {
  readonly 'signing-key': string | undefined;
  readonly 'sign-command': string | undefined;
  readonly 'signed-by': string | undefined;
  readonly 'passphrase-file': string | undefined;
  readonly 'passphrase-fd': number | undefined;
  readonly 'allow-plain-key': boolean;
  /** A file with a signature that was made elsewhere; of `sign` only. */
  readonly signature?: string | undefined;
}

/** The signer that the signing options name, if any. */
export async function signerFrom(flags: SigningFlags, signal: AbortSignal): Promise<Signer | undefined> {
  const ways = (['signing-key', 'sign-command', 'signature'] as const).filter(
    (way) => flags[way] !== undefined,
  );
  const [way, other] = ways;
  if (way !== undefined && other !== undefined) throw contradiction(way, other);
  const { 'signing-key': keyFile, 'sign-command': command, signature } = flags;
  if (keyFile !== undefined) {
    return readSigner(keyFile, {
      passphrase: () => readPassphrase(flags, { twice: false, signal }),
      allowPlainKey: flags['allow-plain-key'],
    });
  }
  if (signature !== undefined) return signerWithFile(signature, publicKeyOf('signature', flags));
  if (command === undefined) return undefined;
  const environment = withoutSecrets(process.env);
  return signerWithCommand({ command, environment, signal }, publicKeyOf('sign-command', flags));
}

/**
 * The signer of a command that cannot do without.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function requiredSigner(signer: Signer | undefined): Signer {
  if (signer !== undefined) return signer;
  throw new PlugferryError('E_USAGE', 'nothing to sign with', {
    hint: 'Give --signing-key FILE; or --signature FILE or --sign-command COMMAND, each with --signed-by FILE.',
  });
}

function publicKeyOf(way: string, flags: SigningFlags): string {
  const file = flags['signed-by'];
  if (file !== undefined) return file;
  throw new PlugferryError('E_USAGE', `--${way} needs --signed-by`, {
    hint: 'Give --signed-by FILE with the public key of whoever signs there, so that the signature can be checked.',
  });
}

/** What another program has no business with. */
const secretVariables = ['PLUGFERRY_KEY_PASSPHRASE', passwordVariable, passphraseVariable];
const withoutSecrets = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !secretVariables.includes(name)));
