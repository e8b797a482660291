import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { SealedBundle } from '../../src/bundle/bundle.js';
import { Scratch } from '../../src/bundle/scratch.js';
import { unpackZip } from '../../src/bundle/read-zip.js';
import { bundleParts } from '../helpers/bundle.js';
import { CorpusLab, named } from '../helpers/corpus.js';
import { rawZip, zipEntries } from '../helpers/zip.js';
import { cases } from './zip-cases.js';

/** Nobody else puts anything here while we look for leftovers. */
const scratch = mkdtempSync(join(tmpdir(), 'plugferry-scratch-'));
process.env['TMPDIR'] = scratch;
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

async function unpack(bytes: Buffer): Promise<SealedBundle> {
  const file = await Scratch.open(tmpdir());
  await file.append(bytes);
  return unpackZip(file);
}

describe('zip', () => {
  const corpus = new CorpusLab(unpack);

  test.each(named(cases))('%s', async (_name, row) => {
    await corpus.expectRefused(row);
    expect(readdirSync(scratch).filter((name) => name.startsWith('.plugferry-'))).toEqual([]);
  });

  test('what the cases change is accepted as it was, deflated and stored', async () => {
    const honest = zipEntries(bundleParts([corpus.lab.key]).entries);
    const stored = honest.map((entry) => ({ ...entry, method: 0 }));
    // As programs write it that know nothing of Unix, or that say that names are in UTF-8.
    const plain = honest.map((entry) => ({ ...entry, attributes: 0 }));
    const build = (): Buffer[] => [honest, stored, plain].map((entries) => rawZip(entries));
    await corpus.expectAccepted(
      { id: 'honest', title: 'untouched', expect: 'OK', build },
      async (_volume, result) => {
        expect(result.outcome).toBe('published');
      },
    );
  });
});
