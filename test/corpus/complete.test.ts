import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** The list of cases: T tar, G gzip, Z zip, M signature, policy, manifest and content. */
const listed = { T: 43, G: 8, Z: 28, M: 28 } as const;

type Rows = readonly { readonly id: string; readonly title: string }[];

/** The rows of every table that stands beside this file. */
async function tables(): Promise<readonly Rows[]> {
  const modules = (await readdir(import.meta.dirname)).filter((name) => name.endsWith('-cases.ts'));
  return Promise.all(
    modules.map(async (name) => {
      const { cases } = (await import(/* @vite-ignore */ join(import.meta.dirname, name))) as { cases: Rows };
      return cases;
    }),
  );
}

test('every case of the list has a row in a table, and no row has an id that is not in the list', async () => {
  const expected = Object.entries(listed).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, index) => `${letter}${String(index + 1).padStart(2, '0')}`),
  );
  const found = new Set((await tables()).flat().map(({ id }) => id));
  expect([...found].sort()).toEqual(expected.sort());
});

test('no two rows run under the same name', async () => {
  const names = (await tables()).flat().map(({ id, title }) => `${id} ${title}`);
  expect(names).toEqual([...new Set(names)]);
});
