import { setTimeout as sleep } from 'node:timers/promises';
import { isPlugferryError, PlugferryError } from '../../errors.js';
import { SftpSession } from './session.js';
import { sshTarget, type SshAddress, type SshSettings, type SshTarget } from '../ssh/settings.js';

/** How often it is tried again when nothing got further in between: of a first connection, which is soon clear, and later. */
const maxTries = { connect: 2, transfer: 6 } as const;
/** Milliseconds until then: 0.2 to 6.4 seconds. */
const pause = (tries: number): number => 100 * 2 ** tries;

/** Connections to one server, one after the other: what breaks is made anew. Secrets are asked for once. */
export class SftpDial {
  readonly #address: SshAddress;
  readonly #settings: SshSettings;
  #target: Promise<SshTarget> | undefined;
  #session: SftpSession | undefined;
  #opening: Promise<SftpSession> | undefined;
  readonly #closed = new AbortController();

  constructor(address: SshAddress, settings: SshSettings) {
    this.#address = address;
    this.#settings = remembering(settings);
  }

  /**
   * A connection that works, as far as is known.
   *
   * @throws PlugferryError as {@link SftpSession.open}.
   */
  async session(signal?: AbortSignal): Promise<SftpSession> {
    this.#closed.signal.throwIfAborted();
    if (this.#session?.alive === true) return this.#session;
    // Whoever asks while one is made waits for that one.
    this.#opening ??= this.#open(signal).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(signal: AbortSignal | undefined): Promise<SftpSession> {
    this.#target ??= sshTarget(this.#address, this.#settings);
    this.#session = await SftpSession.open(await this.#target, this.#settings, this.#untilClosed(signal));
    return this.#session;
  }

  /** For one transfer: a server that was reached before is given more time to come back. */
  retry(signal: AbortSignal | undefined): Retry {
    return new Retry(this.#untilClosed(signal), () =>
      this.#session === undefined ? maxTries.connect : maxTries.transfer,
    );
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    const { signal: closed } = this.#closed;
    return signal === undefined ? closed : AbortSignal.any([signal, closed]);
  }

  /** Ends the connection. Whoever still waits for an answer hears that it is lost, and must not make another. */
  async close(): Promise<void> {
    this.#closed.abort(closedError(this.#address));
    await this.#opening?.catch(() => undefined);
    await this.#session?.close();
  }
}

const closedError = ({ host }: SshAddress): PlugferryError =>
  new PlugferryError('E_NETWORK', `the connection to ${host} was closed here`, {
    details: { file: host, final: true },
  });

/** Decides whether to try again after a failure. */
export class Retry {
  readonly #signal: AbortSignal;
  readonly #maxTries: () => number;
  #tries = 0;
  #reached = 0;
  #breaks = 0;

  constructor(signal: AbortSignal, most: () => number) {
    this.#signal = signal;
    this.#maxTries = most;
  }

  /** Connections that broke so far. */
  get breaks(): number {
    return this.#breaks;
  }

  /**
   * Waits until it is time to try again.
   *
   * @param reached how far it got: who gets further may go on for ever.
   * @throws the error itself, when trying again would not help.
   */
  async after(error: unknown, reached: number): Promise<void> {
    this.#signal.throwIfAborted();
    if (!isPlugferryError(error) || error.code !== 'E_NETWORK' || error.details['final'] === true)
      throw error;
    this.#tries = reached > this.#reached ? 1 : this.#tries + 1;
    this.#reached = Math.max(this.#reached, reached);
    this.#breaks += 1;
    if (this.#tries > this.#maxTries()) throw error;
    try {
      await sleep(pause(this.#tries), undefined, { signal: this.#signal });
    } finally {
      this.#signal.throwIfAborted();
    }
  }
}

/** Asks for each secret once, however often we connect. */
function remembering(settings: SshSettings): SshSettings {
  const { passphrase, password } = settings;
  const passphrases = new Map<string, Promise<Buffer | undefined>>();
  let answer: Promise<Buffer | undefined> | undefined;
  return {
    ...settings,
    passphrase:
      passphrase === undefined
        ? undefined
        : (file) => {
            const known = passphrases.get(file) ?? passphrase(file);
            passphrases.set(file, known);
            return known;
          },
    password: password === undefined ? undefined : (who) => (answer ??= password(who)),
  };
}
