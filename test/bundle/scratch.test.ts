import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openBundleFile } from '../../src/bundle/open-file.js';
import { Scratch } from '../../src/bundle/scratch.js';
import { unpackZip } from '../../src/bundle/read-zip.js';
import { isPlugferryError } from '../../src/errors.js';
import { Discard } from '../../src/stream/drain.js';
import { bundleParts, put } from '../helpers/bundle.js';
import { rawZip, zipEntries } from '../helpers/zip.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plugferry-scratch-'));
});
afterEach(async () => {
  // Nothing that was made there is left, whatever happened.
  expect(await readdir(directory)).toEqual([]);
  await rm(directory, { recursive: true });
});

async function codeFrom(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    return isPlugferryError(error) ? error.code : String(error);
  }
}

const whole = async (stream: AsyncIterable<unknown>): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

describe('a scratch file', () => {
  test('has no name while it is open, and gives back what was put in', async () => {
    const scratch = await Scratch.open(directory);
    expect(await readdir(directory)).toEqual([]);
    for (const text of ['eins', 'zwei', 'drei']) await scratch.append(Buffer.from(text));
    expect(scratch.size).toBe(12);
    expect((await scratch.read(4, 4)).toString()).toBe('zwei');
    expect(await whole(scratch.stream(2, 10))).toBe('nszweidr');
    expect(await whole(scratch.stream(8, Infinity))).toBe('drei');
    await scratch.close();
    await scratch.close();
  });

  test('lies in the temporary directory where its own does not exist', async () => {
    const scratch = await Scratch.open(join(directory, 'missing'));
    await scratch.append(Buffer.from('x'));
    await scratch.close();
  });

  test('says so when it is shorter than it was, or closed', async () => {
    const scratch = await Scratch.open(directory);
    await scratch.append(Buffer.from('four'));
    expect(await codeFrom(scratch.read(2, 3))).toBe('E_IO');
    await scratch.close();
    expect(await codeFrom(scratch.read(0, 4))).toBe('E_IO');
  });

  test('gives up when the work is stopped', async () => {
    const stop = new AbortController();
    const scratch = await Scratch.open(directory, stop.signal);
    await scratch.append(Buffer.from('four'));
    stop.abort(new Error('enough'));
    for (const work of [scratch.append(Buffer.from('x')), scratch.read(0, 1), whole(scratch.stream(0, 4))]) {
      expect(await codeFrom(work)).toBe('Error: enough');
    }
    await scratch.close();
  });
});

describe('a zip whose private copy', () => {
  const bytes = rawZip(zipEntries(bundleParts([]).entries));
  const opened = async (signal?: AbortSignal) => {
    const scratch = await Scratch.open(directory, signal);
    await scratch.append(bytes);
    const sealed = await unpackZip(scratch);
    return { scratch, bundle: sealed.open(() => undefined) };
  };

  test('fails under the reader ends the reading; nobody waits, and nothing is thrown unseen', async () => {
    const { scratch, bundle } = await opened();
    let files = 0;
    const reading = bundle.payload(async (_file, body) => {
      files += 1;
      await pipeline(body, new Discard());
      await scratch.close();
    });
    expect(await codeFrom(reading)).toBe('E_IO');
    expect(files).toBeGreaterThan(0);
  });

  test('is read when the work is stopped ends with the reason', async () => {
    const stop = new AbortController();
    const { scratch, bundle } = await opened(stop.signal);
    const reading = bundle.payload(async (_file, body) => {
      await pipeline(body, new Discard());
      stop.abort(new Error('enough'));
    });
    expect(await codeFrom(reading)).toBe('Error: enough');
    await scratch.close();
  });

  test('cannot be made is not read', async () => {
    const bundle = await put(directory, 'set.zip', bytes);
    const unwritable = '/proc/self';
    const code = await codeFrom(openBundleFile(bundle, { scratch: unwritable }));
    await rm(bundle);
    // Linux says that nothing can be made there; elsewhere there is no such directory.
    expect(code).toMatch(process.platform === 'linux' ? /^(E_IO|done)$/ : /./);
  });
});
