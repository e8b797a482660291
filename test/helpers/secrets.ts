import { createPrivateKey } from 'node:crypto';

/** What must be in no output, in every form in which it could get out, and in which of them. */
const known = new Map<string, string>();

/** Shorter than any secret that the program takes, and so short that it could stand anywhere. */
const shortest = 8;

/** Environment variables that hold a secret, by their names. */
const secretVariable = /^PLUGFERRY_\w*(?:PASSPHRASE|PASSWORD|SECRET|TOKEN)$/;

/**
 * Registers a secret of a test: from now on every run of the program is searched for it. What a run is given in an
 * environment variable whose name says so, and the private keys of `testKey`, are registered already.
 */
export function secret<const Value extends string>(value: Value): Value {
  if (value.length < shortest)
    throw new Error(`a secret of ${value.length} characters would be found everywhere`);
  const bytes = Buffer.from(value);
  note(bytes);
  known.set(JSON.stringify(value).slice(1, -1), 'in JSON');
  known.set(encodeURIComponent(value), 'in a URL');
  known.set(value, 'as it is');
  return value;
}

/** Registers a private key: its secret number is in every form of it that could be printed. */
export function secretKey(pem: string): void {
  const { d } = createPrivateKey(pem).export({ format: 'jwk' });
  if (d !== undefined) note(Buffer.from(d, 'base64url'));
}

/** Registers what an environment is about to hand to a run. */
export function secretsOf(environment: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value = ''] of Object.entries(environment))
    if (secretVariable.test(name) && value.length >= shortest) secret(value);
}

/** How bytes could get out unnoticed, also from the middle of something that was encoded as a whole. */
function note(bytes: Buffer): void {
  known.set(bytes.toString('hex'), 'in hex').set(bytes.toString('hex').toUpperCase(), 'in hex');
  for (const ahead of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(ahead), bytes]);
    // Only the characters that depend on nothing but the secret.
    const [from, to] = [Math.ceil((ahead * 8) / 6), Math.floor((padded.length * 8) / 6)];
    for (const encoding of ['base64', 'base64url'] as const)
      known.set(padded.toString(encoding).slice(from, to), `in ${encoding}`);
  }
}

/** @throws Error when a registered secret, or a private key of whatever kind, is in what a run printed. */
export function expectNoSecret(output: string, run: string): void {
  // A key in PEM and long base64 are broken into lines, with a line feed or with what stands for one.
  const joined = output.replace(/\s|\\n/g, '');
  for (const [form, how] of known)
    if (output.includes(form) || joined.includes(form)) throw new Error(`${run} printed a secret, ${how}`);
  if (output.includes('PRIVATE KEY-----')) throw new Error(`${run} printed a private key`);
}
