import { Agent } from 'node:http';
import { connect, type NetConnectOpts, type Socket } from 'node:net';

/**
 * Most bytes that are read at once. Node reads 64 KiB, and on a fast link it is the number of reads that takes the time; but a connection
 * that breaks may cost as much again, for what waits in the streams of a library is lost. Memory that no read reaches is never touched.
 */
const width = 3 * 1024 * 1024;

/** Memory that is read into again. The HTTP parser of Node copies what it hands on, so nobody should ever see it. */
const lent = new WeakSet<ArrayBufferLike>();
let lending = true;

/**
 * Whether the bytes of a piece of a body may have changed since it was handed on. That would be a Node whose parser does not copy: the
 * piece must not be used, and from now on connections give each piece memory of its own.
 */
export function isLent(piece: Uint8Array): boolean {
  if (!lent.has(piece.buffer)) return false;
  lending = false;
  return true;
}

/** Makes connections that read much at a time, for large bodies over plain HTTP. (TLS hands over one record, 16 KiB, at a time.) */
export class WideAgent extends Agent {
  override createConnection(options: NetConnectOpts): Socket {
    let buffer = newBuffer();
    const socket: Socket = connect({
      ...options,
      onread: {
        buffer: () => buffer,
        callback: (length): boolean => {
          const piece = buffer.subarray(0, length);
          const goesOn = socket.push(lending ? piece : Buffer.from(piece));
          // It waits for its reader.
          if (lending && socket.readableLength > 0) buffer = newBuffer();
          return goesOn;
        },
      },
    });
    return socket;
  }
}

function newBuffer(): Buffer {
  const buffer = Buffer.allocUnsafeSlow(width);
  lent.add(buffer.buffer);
  return buffer;
}
