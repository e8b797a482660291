import { describe, expect, test } from 'vitest';
import { CorpusLab, named } from '../helpers/corpus.js';
import { cases } from './manifest-cases.js';

describe('manifest and content', () => {
  const corpus = new CorpusLab();

  test.each(named(cases))('%s', async (_name, row) => {
    await corpus.expectRefused(row);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
