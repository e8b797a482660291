import type { Readable } from 'node:stream';
import type { Digest } from '../stream/digest.js';
import type { Progress } from '../stream/progress.js';
import type { HttpAccess } from '../http/agents.js';
import type { Patience } from '../http/deadlines.js';
import type { SshSettings } from './ssh/settings.js';

/** Moves one file as opaque bytes: what is in it is nobody's business here. */
export interface RemoteFile {
  /** The location without user, password and query, for messages. */
  readonly name: string;
  /**
   * The bytes, in order, once. A connection that breaks is taken up again where it broke, as long as the place can prove that
   * the file is still the same; the stream then goes on as if nothing had happened.
   *
   * @throws PlugferryError `E_NOT_FOUND`, `E_NETWORK`, `E_LIMIT`; the same end the stream.
   */
  read(request?: ReadRequest): Promise<RemoteBody>;
  /**
   * Sends a local file, so that the remote name only ever stands for the complete one. What an earlier run left is continued
   * where it is proved to be the beginning of this file.
   *
   * @throws PlugferryError `E_EXISTS`, `E_NO_SPACE`, `E_NETWORK`, `E_IO`, `E_USAGE` where the place takes no files.
   */
  write(file: LocalFile, request?: WriteRequest): Promise<Sent>;
  /** Ends connections. Whoever opened the file calls it, whatever happened since. */
  close(): Promise<void>;
}

export interface ReadRequest {
  readonly signal?: AbortSignal | undefined;
  /** Bytes that the reader has already, for a download that goes on. @default 0 */
  readonly start?: number;
  /** The {@link RemoteBody.version} under which those came; without it, `pinned` has to be set. */
  readonly version?: string | undefined;
  /** The reader knows the digest of the whole and compares it in the end, so a place need not prove that the file is the same. */
  readonly pinned?: boolean;
  /** Most bytes of the whole. @default no limit */
  readonly limit?: number;
}

export interface RemoteBody {
  readonly bytes: Readable;
  /** Where in the file they begin: what was asked for, or 0 where there is another version by now. */
  readonly start: number;
  /** Bytes of the whole file, where the place tells. */
  readonly size: number | undefined;
  /**
   * As long as the place calls the file this, it has the same bytes (an entity tag; size and time of change); undefined where
   * it has no such word.
   */
  readonly version: string | undefined;
}

export interface LocalFile {
  readonly path: string;
  readonly digest: Pick<Digest, 'size' | 'sha256'>;
}

export interface WriteRequest {
  readonly signal?: AbortSignal | undefined;
  /** Replace a file that is there. @default false */
  readonly force?: boolean;
  readonly progress?: Progress | undefined;
}

export interface Sent {
  /** Bytes of the file. */
  readonly size: number;
  /** Bytes that were there already from an earlier run. */
  readonly resumedAt: number;
  /**
   * What was compared after sending: `digest` where the place can be read back or names it, `size` where only that is told, `none`
   * where it only said that it took the file.
   */
  readonly proof: 'digest' | 'size' | 'none';
}

/** How other machines are reached: all of it is the operator's own word. */
export interface RemoteAccess {
  readonly http?: HttpAccess | undefined;
  readonly ssh?: SshSettings | undefined;
  /** @default that of {@link HttpClient} */
  readonly patience?: Partial<Patience> | undefined;
}
