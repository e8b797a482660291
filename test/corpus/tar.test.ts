import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CorpusLab, named } from '../helpers/corpus.js';
import { treeOf } from '../helpers/temp.js';
import { bundleParts } from '../helpers/bundle.js';
import { cases } from './tar-cases.js';

describe('tar', () => {
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
        const { mode, uid, mtimeMs } = await stat(join(volume, name));
        expect([mode & 0o7777, uid]).toEqual([0o644, process.getuid?.()]);
        expect(mtimeMs).toBeLessThan(Date.now() + 60_000);
      }
      for (const directory of ['', 'waf', 'waf/1.0.0']) {
        expect((await stat(join(volume, 'plugins', directory))).mode & 0o7777).toBe(0o755);
      }
    });
  });
});
