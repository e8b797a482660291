import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { Scratch } from '../../src/bundle/scratch.js';
import { unpackZip } from '../../src/bundle/read-zip.js';
import { isPlugferryError } from '../../src/errors.js';
import { checkSignatures } from '../../src/trust/check.js';
import { bundleParts, put } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { zipReaders } from '../helpers/listing.js';
import { mutated, mutationCount, mutationSeed, randomFrom } from '../helpers/mutation.js';
import { tempDir } from '../helpers/temp.js';
import { rawZip, zipEntries } from '../helpers/zip.js';

type Payload = ReadonlyMap<string, string>;

/** What a bundle holds, or the code with which it is refused. Any other failure is thrown. */
async function read(bytes: Buffer, key: TestKey): Promise<Payload | string> {
  const payload = new Map<string, string>();
  try {
    const file = await Scratch.open(tmpdir());
    await file.append(bytes);
    const sealed = await unpackZip(file);
    try {
      const opened = sealed.open((manifest, signatures) =>
        checkSignatures(manifest, signatures, [key.trusted]),
      );
      await opened.payload(async ({ path }, body) => {
        const chunks: Buffer[] = [];
        for await (const chunk of body) chunks.push(chunk as Buffer);
        payload.set(path, Buffer.concat(chunks).toString('latin1'));
      });
      return payload;
    } finally {
      await sealed.close();
    }
  } catch (error) {
    if (isPlugferryError(error) && error.code !== 'E_INTERNAL') return error.code;
    throw error;
  }
}

/** Runs at the same time: most of a run is waiting for the disk. */
const atOnce = 8;

test('no mutated zip is accepted with another content, and whatever is accepted others read alike', async () => {
  // Ed25519 signatures have one length, so that the same seed hits the same fields.
  const key = await testKey('ada', 'ed25519');
  const plugins = ['1.0.0', '2.0.0'].map((version) => ({ name: 'waf', version }));
  const entries = zipEntries(bundleParts([key], plugins).entries);
  const honest = rawZip(entries);
  const expected = await read(honest, key);
  const [seed, count] = [mutationSeed(), mutationCount(5000)];
  const random = randomFrom(seed);
  const accepted: Buffer[] = [];

  const attempt = async (bytes: Buffer): Promise<void> => {
    const context = `PLUGFERRY_SEED=${seed}, ${key.publicPem} ${bytes.toString('base64')}`;
    const outcome = await read(bytes, key).catch((error: unknown) => {
      throw new Error(`not refused in an orderly way: ${context}`, { cause: error });
    });
    if (typeof outcome === 'string') return;
    expect(outcome, context).toEqual(expected);
    accepted.push(bytes);
  };
  for (let done = 0; done < count; done += atOnce) {
    await Promise.all(
      Array.from({ length: Math.min(atOnce, count - done) }, () => attempt(mutated(honest, random))),
    );
  }

  const directory = await tempDir();
  const listed = entries.map(({ name, body }) => `${body?.length ?? 0} ${String(name)}`);
  const paths = await Promise.all(accepted.map((bytes, index) => put(directory, `${index}.zip`, bytes)));
  for (const { name, available, list } of zipReaders) {
    if (available) expect(list(paths), name).toEqual(paths.map(() => listed));
  }
}, 3_600_000);
