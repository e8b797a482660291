import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { version } from '../../src/version.js';
import { tempDir } from '../helpers/temp.js';

const root = join(import.meta.dirname, '../..');

/** Written by hand, beside what the schemas give. */
const written = ['moment.ts', 'parse.ts', 'yaml-library.ts', 'yaml-scalar.ts', 'yaml-tree.ts', 'yaml.ts'];

test('types and validators are those that the schemas give (else run: npm run gen)', async () => {
  const fresh = await tempDir();
  execFileSync(process.execPath, [join(root, 'schemas/generate.mjs'), fresh]);
  const generated = readdirSync(fresh).sort();
  expect(generated).toContain('manifest.ts');
  for (const file of generated) {
    expect(readFileSync(join(root, 'src/schema', file), 'utf8'), file).toBe(
      readFileSync(join(fresh, file), 'utf8'),
    );
  }
  // Nothing stands there that no schema gives any more.
  expect(readdirSync(join(root, 'src/schema')).sort()).toEqual([...generated, ...written].sort());
});

test('the program says the version of package.json', () => {
  const { version: packaged } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  expect(version).toBe(packaged);
});
