import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';

/**
 * Lets a stream run into another to its end. What has come before it breaks off is still taken: only then is its error thrown. When the
 * taker fails, the source is closed, and it is the error of the taker that is thrown.
 */
export async function flow(source: NodeJS.ReadableStream, sink: Writable): Promise<void> {
  const given = finished(source, { writable: false }).catch((error: unknown) => {
    sink.end();
    throw error;
  });
  const taken = finished(sink).catch((error: unknown) => {
    close(source);
    throw error;
  });
  source.pipe(sink);
  const [taking, giving] = await Promise.allSettled([taken, given]);
  if (taking.status === 'rejected') throw taking.reason;
  if (giving.status === 'rejected') throw giving.reason;
}

/** The interface that libraries name has no `destroy`; every stream of Node has. */
const close = (source: NodeJS.ReadableStream & { destroy?: () => void }): void => {
  source.destroy?.();
};
