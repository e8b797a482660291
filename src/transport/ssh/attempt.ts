import { connectionFailure, refusedLogin, stalled } from '../sftp/errors.js';
import { hostKeyAlgorithms, noKnownType, refusalOf } from './host-key.js';
import { offers, type Offer } from './identity.js';
import type { SshSettings, SshTarget } from './settings.js';

/** Milliseconds that a server has for each step until we are logged in. */
const patience = 20_000;

/**
 * GCM is done and checked by OpenSSL in one go; the library's own ChaCha20 is several times slower. SHA-1 and plain CBC are
 * left out (security page 3.1).
 */
const algorithms = {
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} as const;

/** One attempt to connect and log in: what the library is told, and what its refusals mean. */
export class SshAttempt {
  readonly #target: SshTarget;
  readonly #settings: SshSettings;
  readonly #giveUp: () => void;
  readonly #tried: string[] = [];
  #refusal: unknown;
  #timer: NodeJS.Timeout | undefined;
  #isLate = false;

  /** @param giveUp ends the connection. */
  constructor(target: SshTarget, settings: SshSettings, giveUp: () => void) {
    this.#target = target;
    this.#settings = settings;
    this.#giveUp = giveUp;
  }

  /** The configuration for the library; the clock runs from here. */
  config(): object {
    const { host, port, user, trust } = this.#target;
    let left: readonly string[] = [];
    const ways = offers(this.#target, this.#settings, (method) => left.includes(method));
    this.#wait();
    return {
      host,
      port,
      username: user,
      // Our own clock stands still while somebody types a password.
      readyTimeout: 0,
      keepaliveInterval: 10_000,
      algorithms: { ...algorithms, serverHostKey: hostKeyAlgorithms(trust) },
      // Synchronous and exactly true or false: the library takes everything but false for a yes (security page 3.3).
      hostVerifier: (key: Buffer): boolean => {
        this.#refusal = refusalOf(key, trust, this.#target);
        return this.#refusal === undefined;
      },
      authHandler: (
        methods: readonly string[] | null,
        _partial: boolean | null,
        next: (offer: Offer | { type: 'none'; username: string } | false) => void,
      ) => {
        this.over();
        // What the server takes is only known once it has refused something.
        if (methods === null && this.#tried.length === 0) {
          this.#wait();
          next({ type: 'none', username: user });
          return;
        }
        left = methods ?? left;
        this.#offer(ways).then(next, (error: unknown) => {
          this.#refusal = error;
          next(false);
        });
      },
    };
  }

  async #offer(ways: AsyncGenerator<Offer, undefined>): Promise<Offer | false> {
    const next: IteratorResult<Offer, undefined> = await ways.next();
    this.#wait();
    if (next.done === true) return false;
    this.#tried.push(next.value.type);
    return next.value;
  }

  /** The attempt ended, or waits for a person. */
  over(): void {
    clearTimeout(this.#timer);
  }

  /** What `error` of the library means. */
  failure(error: unknown): unknown {
    if (this.#refusal !== undefined) return this.#refusal;
    if (this.#isLate) return stalled(this.#target);
    const message = error instanceof Error ? error.message : '';
    if (message.includes('no matching host key format')) return noKnownType(this.#target.trust, this.#target);
    if (message.includes('authentication methods failed')) return refusedLogin(this.#target, this.#tried);
    return connectionFailure(error, this.#target);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isLate = true;
      this.#giveUp();
    }, patience);
  }
}
