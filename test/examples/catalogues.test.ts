import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseMapping } from '../../src/index.js';
import { catalogueKinds, readCatalogue } from '../../src/catalogue/read.js';

const examples = join(import.meta.dirname, '../../examples/catalogues');
const read = (file: string): Promise<string> => readFile(join(examples, file), 'utf8');

/** What each example is said to be, as its README has it. */
const table = [...(await read('README.md')).matchAll(/^\| `(\S+)` +\| `(\w+)` +\|/gm)].map(
  ([, file = '', kind = '']) => ({
    file,
    kind,
  }),
);

test('README names every example and every type', async () => {
  const listed = [...table.map(({ file }) => file), 'README.md', 'mapping.txt'];
  expect(listed.sort()).toEqual((await readdir(examples)).sort());
  expect([...new Set(table.map(({ kind }) => kind))].sort()).toEqual([...catalogueKinds].sort());
});

test.each([
  ['plugins.properties', ['key-auth@2.0.0', 'json-converter@2.0.0', 'mcp-server@2.0.0']],
  ['snapshot.json', ['json-converter@2.0.1', 'jsonrpc-converter@2.0.1']],
  ['unmanaged-plugins.lock.json', ['key-auth@2.0.0']],
  ['wasmplugins.yaml', ['key-auth@1.0.0', 'hello-header@1.0.0']],
  ['values.yaml', ['mcp-server@1.0.0']],
  ['compose.env', ['mcp-server@2.0.1']],
])('%s is what README says, by its name and by its content', async (file, expected) => {
  const kind = catalogueKinds.find((each) => each === table.find((row) => row.file === file)?.kind);
  const text = await read(file);
  const idsAs = (name: string, as?: typeof kind): string[] =>
    readCatalogue({ file: name, text }, as).entries.map(
      ({ id }) => `${id?.name ?? '?'}@${id?.version ?? '?'}`,
    );
  expect(idsAs(file, kind)).toEqual(expected);
  expect(idsAs(file)).toEqual(expected);
  expect(idsAs('standard input')).toEqual(expected);
});

test('mapping.txt gives one reference two versions', async () => {
  const namings = parseMapping(await read('mapping.txt'), 'mapping.txt');
  expect(namings.map(({ id }) => `${id.name}@${id.version}`)).toEqual(['key-auth@2.0.0', 'key-auth@1.0.0']);
  expect(new Set(namings.map(({ from }) => from)).size).toBe(1);
});
