import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundleParts } from '../helpers/bundle.js';
import { CorpusLab, named } from '../helpers/corpus.js';
import { treeOf } from '../helpers/temp.js';
import { cases } from './gzip-cases.js';

describe('gzip', () => {
  const corpus = new CorpusLab();

  test.each(named(cases.filter((row) => row.expect !== 'OK')))('%s', async (_name, row) => {
    await corpus.expectRefused(row);
  });

  test.each(named(cases.filter((row) => row.expect === 'OK')))('%s', async (_name, row) => {
    const { entries } = bundleParts([corpus.lab.key]);
    await corpus.expectAccepted(row, async (volume) => {
      const found = await treeOf(join(volume, 'plugins/'));
      for (const { name = '', body } of entries) {
        if (!name.startsWith('plugins/') || body === undefined) continue;
        expect(found.get(name.slice('plugins/'.length))).toBe(body.toString('latin1'));
      }
    });
  });
});
