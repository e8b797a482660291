import type { ParsedKey } from 'ssh2';
import { isPlugferryError, PlugferryError } from '../../errors.js';
import { isUsualFile } from '../../files/open-regular.js';
import { readSecretFile } from '../../files/key-file.js';
import { escapeText } from '../../stream/text.js';
import type { SshSettings, SshTarget } from './settings.js';

const maxKey = 64 * 1024;

/** Title, instructions, language, what is asked, and where the answers go. */
type Question = readonly [
  string,
  string,
  string,
  readonly { readonly prompt: string; readonly echo?: boolean }[],
  (answers: string[]) => void,
];

/** What can be offered to a server, in the form in which ssh2 takes it. */
export type Offer =
  | { readonly type: 'publickey'; readonly username: string; readonly key: ParsedKey }
  | { readonly type: 'agent'; readonly username: string; readonly agent: string }
  | { readonly type: 'password'; readonly username: string; readonly password: string }
  | {
      readonly type: 'keyboard-interactive';
      readonly username: string;
      readonly prompt: (...question: Question) => void;
    };

/**
 * Ways to prove who we are, in the order of ssh: keys that the operator named, the agent, the keys that are usually there,
 * the password. Each is made only when its turn comes, so that nobody is asked for a secret that is not needed.
 *
 * @param takes whether the server lets this method be tried, as it says at that moment.
 * @throws PlugferryError `E_KEY`, `E_PASSPHRASE`.
 */
export async function* offers(
  target: SshTarget,
  settings: SshSettings,
  takes: (method: string) => boolean,
): AsyncGenerator<Offer, undefined> {
  const username = target.user;
  if (takes('publickey')) yield* keyOffers(target, settings);
  if (!takes('password') && !takes('keyboard-interactive')) return;
  const password = (await settings.password?.(`${username}@${target.host}`))?.toString('utf8');
  if (password === undefined) return;
  if (takes('password')) yield { type: 'password', username, password };
  if (takes('keyboard-interactive'))
    yield { type: 'keyboard-interactive', username, prompt: answering(password) };
}

async function* keyOffers(target: SshTarget, settings: SshSettings): AsyncGenerator<Offer, undefined> {
  const username = target.user;
  for (const file of target.named) yield { type: 'publickey', username, key: await readKey(file, settings) };
  if (settings.agent !== undefined) yield { type: 'agent', username, agent: settings.agent };
  for (const file of target.usual) {
    const key = (await isUsualFile(file)) ? await usualKey(file, settings) : undefined;
    if (key !== undefined) yield { type: 'publickey', username, key };
  }
}

/** The password for the one hidden question that servers ask; anything else is answered with nothing. */
const answering =
  (password: string): Extract<Offer, { type: 'keyboard-interactive' }>['prompt'] =>
  (...[, , , prompts, finish]) => {
    finish(prompts.map(({ echo }) => (echo === true ? '' : password)));
  };

async function readKey(file: string, { passphrase }: SshSettings): Promise<ParsedKey> {
  const { default: ssh2 } = await import('ssh2');
  const bytes = await readSecretFile(file, 'SSH key', maxKey);
  const parsed = ssh2.utils.parseKey(bytes);
  if (!(parsed instanceof Error)) return privateIn(parsed, file);
  if (!/passphrase/i.test(parsed.message)) throw unusable(file, parsed);
  const secret = await passphrase?.(file);
  if (secret === undefined) throw locked(file);
  const opened = ssh2.utils.parseKey(bytes, secret);
  if (opened instanceof Error) throw wrongPassphrase(file);
  return privateIn(opened, file);
}

/** Not `E_INTERRUPTED`, and not `E_NOT_FOUND`: that is about a file with a passphrase. */
const unusableCodes: readonly string[] = ['E_KEY', 'E_EXPOSED', 'E_PASSPHRASE', 'E_IO', 'E_LIMIT'];

/** A key that was only found: one that nobody can open is passed over, as when it were not there. */
async function usualKey(file: string, settings: SshSettings): Promise<ParsedKey | undefined> {
  try {
    return await readKey(file, settings);
  } catch (error) {
    if (isPlugferryError(error) && unusableCodes.includes(error.code)) return undefined;
    throw error;
  }
}

function privateIn(parsed: ParsedKey | readonly ParsedKey[], file: string): ParsedKey {
  const key = 'length' in parsed ? parsed[0] : parsed;
  if (key?.isPrivateKey() === true) return key;
  throw new PlugferryError('E_KEY', `${file} is not a private key`, {
    hint: 'Give the file without ".pub".',
    details: { file },
  });
}

const unusable = (file: string, { message }: Error): PlugferryError =>
  new PlugferryError('E_KEY', `SSH key ${file} cannot be used: ${escapeText(message)}`, {
    hint: 'Give a key that ssh-keygen made (-t ed25519); "ssh-keygen -p -f FILE" writes older forms anew.',
    details: { file },
  });

const locked = (file: string): PlugferryError =>
  new PlugferryError('E_PASSPHRASE', `SSH key ${file} needs a passphrase`, {
    hint: 'Give --ssh-passphrase-file FILE, set PLUGFERRY_SSH_PASSPHRASE, or add the key to ssh-agent.',
    details: { file },
  });

const wrongPassphrase = (file: string): PlugferryError =>
  new PlugferryError('E_PASSPHRASE', `the passphrase does not open SSH key ${file}`, {
    hint: 'Try the passphrase with "ssh-keygen -y -f FILE".',
    details: { file },
  });
