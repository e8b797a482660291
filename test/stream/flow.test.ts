import { Readable, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { flow } from '../../src/stream/flow.js';

/** Keeps what it takes; slowly, and up to a limit. */
function keeper(limit = Infinity) {
  const kept: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      setImmediate(() => {
        if (kept.length >= limit) done(new Error('full'));
        else {
          kept.push(chunk.toString());
          done();
        }
      });
    },
  });
  return { kept, sink };
}

async function* breaking(): AsyncGenerator<Buffer> {
  yield Buffer.from('one');
  yield Buffer.from('two');
  throw new Error('broken');
}

test('a stream runs into another to its end', async () => {
  const { kept, sink } = keeper();
  await flow(Readable.from([Buffer.from('one'), Buffer.from('two')]), sink);
  expect(kept).toEqual(['one', 'two']);
});

test('what came before the source breaks is taken, and then its error is thrown', async () => {
  const { kept, sink } = keeper();
  await expect(flow(Readable.from(breaking()), sink)).rejects.toThrow('broken');
  expect(kept).toEqual(['one', 'two']);
});

test('a source that is closed before its end is not taken for a whole one', async () => {
  const { sink } = keeper();
  const source = new Readable({ read: () => undefined });
  source.push('one');
  const flowing = flow(source, sink);
  setImmediate(() => source.destroy());
  await expect(flowing).rejects.toThrow(/[Pp]remature close/);
});

test('a taker that fails closes the source, and it is its error that is thrown', async () => {
  const { kept, sink } = keeper(1);
  const source = Readable.from([Buffer.from('one'), Buffer.from('two'), Buffer.from('three')]);
  await expect(flow(source, sink)).rejects.toThrow('full');
  expect(source.destroyed).toBe(true);
  expect(kept).toEqual(['one']);
});
