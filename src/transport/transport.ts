import type { Readable } from 'node:stream';
import type { Digest } from '../io/digest.js';

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
  read(request?: ReadRequest): Promise<Readable>;
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
  /** Bytes to pass over, for a download that goes on. @default 0 */
  readonly start?: number;
  /** Told how far it is: bytes that came, bytes of the whole where that is known. */
  readonly progress?: Progress | undefined;
}

export interface LocalFile {
  readonly path: string;
  readonly digest: Digest;
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
  /** What was compared after sending: `digest` where the place can be read back, `size` where only that is told. */
  readonly proof: 'digest' | 'size';
}

export type Progress = (done: number, total: number | undefined) => void;
