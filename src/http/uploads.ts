import type { Readable } from 'node:stream';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { isWorthATry, waitAsked, type Answer } from './response.js';
import { displayUrl, type HttpAddress } from './address.js';
import { networkError } from './network-errors.js';
import { HttpPeer } from './requests.js';
import { retrying } from './retries.js';
import type { HttpOptions } from './client.js';
import { usualPatience, Watch, type Patience } from './deadlines.js';

/** A body that is to stand under an address. */
export interface Upload {
  readonly url: URL;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 in hex. */
  readonly sha256: string;
  /** Opens the bytes from their beginning, for each try anew. */
  readonly open: () => Promise<Readable>;
  /** Replace what is there. */
  readonly force: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What a server says of the file under an address. */
export interface Standing {
  /** Bytes, where it tells. */
  readonly size: number | undefined;
  /** SHA-256 in hex, where it tells (Repr-Digest, RFC 9530). */
  readonly sha256: string | undefined;
}

/**
 * Puts files where a server takes them: WebDAV, artifact repositories, object stores. HTTP has no way to go on with a PUT that broke
 * off, so each try sends the whole.
 */
export class HttpUploads {
  readonly #peer: HttpPeer;
  readonly #patience: Patience;

  constructor(address: HttpAddress, { patience, ...options }: HttpOptions = {}) {
    this.#peer = new HttpPeer(address, options);
    this.#patience = { ...usualPatience, ...patience };
  }

  /**
   * What stands there: `nothing`, or `unknown` from a server that does not say.
   *
   * @throws PlugferryError `E_NETWORK`.
   */
  async look(url: URL, signal?: AbortSignal): Promise<Standing | 'nothing' | 'unknown'> {
    return this.#trying(signal, async (watch) => {
      const headers = { 'want-repr-digest': 'sha-256=1' };
      const { answer } = await this.#peer.answer({ url, method: 'HEAD', headers }, watch);
      const { status } = answer;
      if (status === 404 || status === 410) return 'nothing';
      if (status === 200) return standingOf(answer);
      if (isWorthATry(status)) throw refusal(url, answer);
      return 'unknown';
    });
  }

  /**
   * Sends a file by PUT. Where the server knows conditions, it refuses to replace what is there unless that is wanted.
   *
   * @returns how many tries broke off before.
   * @throws PlugferryError `E_EXISTS`, `E_USAGE` from a server that takes no files, `E_LIMIT`, `E_NO_SPACE`, `E_NETWORK`, and what
   *   `open` throws.
   */
  async put({ url, size, sha256, open, force, signal }: Upload): Promise<void> {
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': String(size),
      'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
      ...(force ? {} : { 'if-none-match': '*' }),
    };
    let broken = false;
    await this.#trying(signal, async (watch) => {
      const body = await open();
      try {
        const { answer } = await this.#peer.answer({ url, method: 'PUT', headers, body }, watch);
        if (answer.status >= 200 && answer.status < 300) return;
        // The server has it already, and the answer to an earlier try got lost on the way.
        if (answer.status === 412 && broken && (await this.#holds(url, { size, sha256 }, signal))) return;
        throw refusal(url, answer);
      } catch (error) {
        broken = true;
        throw error;
      } finally {
        body.destroy();
      }
    });
  }

  async #holds(url: URL, own: Pick<Upload, 'size' | 'sha256'>, signal?: AbortSignal): Promise<boolean> {
    const there = await this.look(url, signal);
    if (typeof there === 'string') return false;
    return there.sha256 === undefined ? there.size === own.size : there.sha256 === own.sha256;
  }

  async #trying<T>(signal: AbortSignal | undefined, attempt: (watch: Watch) => Promise<T>): Promise<T> {
    return retrying(() => this.#once(signal, attempt), {
      retryMs: this.#patience.retryMs,
      askedMs: waitOf,
      signal,
    });
  }

  async #once<T>(signal: AbortSignal | undefined, attempt: (watch: Watch) => Promise<T>): Promise<T> {
    const watch = new Watch(signal, this.#patience);
    try {
      return await attempt(watch);
    } finally {
      watch.end();
    }
  }
}

function waitOf(error: unknown): number {
  const asked = isPlugferryError(error) ? error.details['waitMs'] : undefined;
  return typeof asked === 'number' ? asked : 0;
}

function standingOf({ headers }: Answer): Standing {
  const size = headers.get('content-length') ?? '';
  const digest = /(?:^|[\s,])sha-256=:([A-Za-z0-9+/]{43}=):/.exec(headers.get('repr-digest') ?? '')?.[1];
  return {
    size: /^\d{1,15}$/.test(size) ? Number(size) : undefined,
    sha256: digest === undefined ? undefined : Buffer.from(digest, 'base64').toString('hex'),
  };
}

/** What a status says that is not 2xx, about a file that was to be put there (RFC 9110 section 15, RFC 4918 section 11). */
function refusal(url: URL, { status, headers }: Answer): PlugferryError {
  const file = displayUrl(url);
  const details = { file, found: `status ${status}` };
  const refused = (
    code: 'E_USAGE' | 'E_EXISTS' | 'E_LIMIT' | 'E_NO_SPACE' | 'E_NOT_FOUND',
    text: string,
    hint: string,
  ) => new PlugferryError(code, `${file}: ${text} (status ${status})`, { hint, details });
  switch (status) {
    case 405:
    case 501:
      return refused(
        'E_USAGE',
        'the server takes no files here',
        'Give an address where it takes PUT (WebDAV, an artifact repository, an object store), or use sftp://.',
      );
    case 404:
    case 409:
      return refused(
        'E_NOT_FOUND',
        'the directory of this address does not exist on the server',
        'Have it created there, or check the address.',
      );
    case 412:
      return refused(
        'E_EXISTS',
        'there is a file already',
        'Choose another name, or give --force to replace it.',
      );
    case 413:
      return refused(
        'E_LIMIT',
        'the file is larger than the server takes',
        'Have its limit raised (nginx: client_max_body_size), or split the bundle.',
      );
    case 507:
      return refused(
        'E_NO_SPACE',
        'the server has no space left',
        'Free space there, then run the same command again.',
      );
    default:
      return networkError({
        url,
        expected: 'the file to be taken',
        found: status >= 300 && status < 400 ? `a redirect (status ${status})` : `status ${status}`,
        transient: isWorthATry(status),
        waitMs: isWorthATry(status) ? waitAsked(headers) : 0,
        ...hintFor(status),
      });
  }
}

function hintFor(status: number): { readonly hint?: string } {
  if (status === 401 || status === 403)
    return { hint: 'The server wants a login, or does not let you write here.' };
  if (status >= 300 && status < 400)
    return { hint: 'A file is sent only where you say. Give the address itself that takes it.' };
  return {};
}
