import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

/** A TCP proxy that cuts its connections after so many bytes. */
export interface Cutter {
  readonly port: number;
  /** Bytes that came from clients, and from the server, over all connections; also those that a cut then lost. */
  readonly bytes: { readonly up: number; readonly down: number };
  /** Connections that it cut. */
  readonly cuts: number;
}

export interface CutPlan {
  /** Port of the server on 127.0.0.1. */
  readonly to: number;
  /** Which bytes count. */
  readonly direction: 'up' | 'down';
  /** A cut at each of these numbers of bytes, ascending, counted over all connections. */
  readonly at: readonly number[];
}

/** Runs until the test has finished. A cut is a reset: what is under way is lost on both sides. */
export async function startCutter({ to, direction, at }: CutPlan): Promise<Cutter> {
  const bytes = { up: 0, down: 0 };
  const plan = [...at];
  const open = new Set<Socket>();
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    const end = (): void => {
      for (const socket of [client, upstream]) {
        open.delete(socket);
        socket.resetAndDestroy();
      }
    };
    for (const [from, into, way] of [
      [client, upstream, 'up'],
      [upstream, client, 'down'],
    ] as const) {
      open.add(from);
      from.on('error', end);
      from.on('end', () => into.end());
      from.on('data', (piece: Buffer) => {
        bytes[way] += piece.length;
        const next = plan[0];
        if (way === direction && next !== undefined && bytes[way] >= next) {
          while (plan[0] !== undefined && bytes[way] >= plan[0]) plan.shift();
          cuts += 1;
          end();
        } else if (!into.write(piece)) {
          from.pause();
          into.once('drain', () => from.resume());
        }
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    bytes,
    get cuts() {
      return cuts;
    },
  };
}

/** Two places that are nearer than this could lie in one piece, and one cut would serve for both. */
const apart = 256 * 1024;

/** `count` different places in `size` bytes, ascending, each far enough from the one before for a cut of its own. */
export function randomPlaces(count: number, size: number, random: () => number = Math.random): number[] {
  const room = size - count * apart;
  return Array.from({ length: count }, () => 1 + Math.floor(random() * (room - 1)))
    .toSorted((a, b) => a - b)
    .map((place, index) => place + index * apart);
}
