import type SftpClient from 'ssh2-sftp-client';
import type { PlugferryError } from '../../errors.js';
import { lost, SftpFailure, stalled } from './errors.js';
import { SshAttempt } from '../ssh/attempt.js';
import type { SshSettings, SshTarget } from '../ssh/settings.js';

/** Requests of the protocol, with callbacks; {@link SftpSession.request} makes promises of them. */
export type Sftp = Awaited<ReturnType<SftpClient['connect']>>;

interface ExecChannel extends NodeJS.ReadWriteStream {
  close(): void;
}

/** What the library has and its types do not tell. */
interface Inside {
  readonly client: {
    setNoDelay(on: boolean): void;
    destroy(): void;
    exec(command: string, done: (error: Error | undefined, channel: ExecChannel) => void): void;
  };
}
interface Negotiated {
  readonly _extensions: Readonly<Record<string, string>>;
  readonly _maxWriteLen: number;
  readonly _maxReadLen: number;
}

/** Milliseconds without an answer, while one is due, after which a connection counts as lost. */
const patience = 120_000;
/** Most characters that a command may print. */
const maxSaid = 64 * 1024;

export type Extension =
  | 'posix-rename@openssh.com'
  | 'statvfs@openssh.com'
  | 'hardlink@openssh.com'
  | 'fsync@openssh.com'
  | 'copy-data';

/** One SSH connection with one SFTP channel on it, to a server that has proved to be the one that is meant. */
export class SftpSession {
  readonly target: SshTarget;
  readonly #client: SftpClient;
  readonly #sftp: Sftp;
  /** What is told when the connection goes. */
  readonly #waiting = new Set<(error: Error) => void>();
  readonly #watch: NodeJS.Timeout;
  #end: PlugferryError | undefined;
  #heard = Date.now();

  private constructor(target: SshTarget, client: SftpClient, sftp: Sftp) {
    this.target = target;
    this.#client = client;
    this.#sftp = sftp;
    this.#watch = setInterval(() => {
      if (this.#waiting.size > 0 && Date.now() - this.#heard > patience) this.#fail(stalled(target));
    }, 5000).unref();
    sftp.on('error', (error: Error) => {
      this.#fail(lost(target, error));
    });
  }

  /**
   * Connects, checks the server's key and logs in.
   *
   * @throws PlugferryError `E_HOST_KEY`, `E_LOGIN`, `E_KEY`, `E_PASSPHRASE`, `E_NETWORK` (which may be tried again).
   */
  static async open(target: SshTarget, settings: SshSettings, signal?: AbortSignal): Promise<SftpSession> {
    // Loaded where it is needed: most commands never go to a server.
    const { default: Client } = await import('ssh2-sftp-client');
    signal?.throwIfAborted();
    let session: SftpSession | undefined;
    const onLoss = (error?: unknown): void => {
      if (session !== undefined) session.#fail(lost(target, error instanceof Error ? error : undefined));
    };
    // The defaults of the library print to stdout.
    const client = new Client('plugferry', { error: onLoss, end: onLoss, close: onLoss });
    const { client: inside } = client as unknown as Inside;
    const stop = (): void => {
      inside.destroy();
    };
    const attempt = new SshAttempt(target, settings, stop);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const sftp = await client.connect(attempt.config());
      // With Nagle's algorithm a transfer takes many times as long.
      inside.setNoDelay(true);
      session = new SftpSession(target, client, sftp);
      return session;
    } catch (error) {
      stop();
      signal?.throwIfAborted();
      throw attempt.failure(error);
    } finally {
      attempt.over();
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Whether nothing is known to be wrong with it. */
  get alive(): boolean {
    return this.#end === undefined;
  }

  /** Most bytes in one request. */
  get chunk(): number {
    const { _maxWriteLen, _maxReadLen } = this.#sftp as unknown as Negotiated;
    return Math.max(4096, Math.min(_maxWriteLen, _maxReadLen));
  }

  has(extension: Extension): boolean {
    return Object.hasOwn((this.#sftp as unknown as Negotiated)._extensions, extension);
  }

  /**
   * Sends one request.
   *
   * @param path what the request is about, for errors.
   * @throws SftpFailure what the server says; PlugferryError `E_NETWORK` when the connection is gone.
   */
  async request<T>(
    path: string,
    send: (sftp: Sftp, done: (error?: Error | null, value?: T) => void) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      this.#await(reject);
      const done = (error?: Error | null, value?: T): void => {
        this.#waiting.delete(reject);
        this.#heard = Date.now();
        if (error instanceof Error)
          reject(this.#end ?? SftpFailure.from(error, path) ?? lost(this.target, error));
        else resolve(value as T);
      };
      try {
        send(this.#sftp, done);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  /**
   * Runs a command of the server's shell, where the server has one for us.
   *
   * @param limit milliseconds that it may take.
   * @returns what it prints, or undefined when it cannot be run or takes too long.
   */
  async run(command: string, limit: number): Promise<string | undefined> {
    return new Promise<string | undefined>((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      let said = '';
      let channel: ExecChannel | undefined;
      const finish = (text: string | undefined): void => {
        clearTimeout(timer);
        this.#waiting.delete(reject);
        this.#heard = Date.now();
        channel?.close();
        resolve(text);
      };
      const timer = setTimeout(finish, limit, undefined);
      this.#await(reject);
      (this.#client as unknown as Inside).client.exec(command, (error, opened) => {
        if (error !== undefined) {
          finish(undefined);
          return;
        }
        channel = opened;
        const giveUp = (): void => {
          finish(undefined);
        };
        opened.on('error', giveUp);
        opened.on('data', (piece: Buffer) => {
          said += piece.toString('latin1');
          if (said.length > maxSaid) giveUp();
        });
        opened.on('close', () => {
          finish(said);
        });
        opened.end();
      });
    });
  }

  /** Ends the connection. Never fails. */
  async close(): Promise<void> {
    if (this.#end !== undefined) return;
    this.#fail(lost(this.target, undefined));
    const late = new Promise((resolve) => setTimeout(resolve, 1000).unref());
    await Promise.race([this.#client.end().catch(() => undefined), late]);
    this.abort();
  }

  /** Ends the connection at once: whoever waits for an answer is told that there will be none. */
  abort(): void {
    this.#fail(lost(this.target, undefined));
    (this.#client as unknown as Inside).client.destroy();
  }

  #await(reject: (error: Error) => void): void {
    if (this.#waiting.size === 0) this.#heard = Date.now();
    this.#waiting.add(reject);
  }

  #fail(error: PlugferryError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    clearInterval(this.#watch);
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
  }
}
