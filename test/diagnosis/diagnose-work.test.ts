import { expect, test } from 'vitest';
import { diagnose } from '../../src/diagnosis/diagnose.js';
import type { HeldModule } from '../../src/diagnosis/held.js';
import type { Reference } from '../../src/diagnosis/reference.js';

/** How often the names of held modules are read where there are so many, and as many references. */
function readsFor(count: number, asked: (index: number) => string): number {
  let reads = 0;
  const modules = Array.from({ length: count }, (_, index): HeldModule => ({
    get name() {
      reads += 1;
      return `plugin-${index}`;
    },
    version: '1.0.0',
    sha256: '0'.repeat(64),
  }));
  const references = Array.from({ length: count }, (_, index): Reference => ({
    who: `WasmPlugin w${index}`,
    origin: 'wasmplugin',
    file: undefined,
    line: undefined,
    resource: undefined,
    url: `http://server/plugins/${asked(index)}/1.0.0/plugin.wasm`,
  }));
  diagnose(references, { location: 'volume', modules }, { orphans: true });
  return reads;
}

test.each([
  ['modules that are there', (index: number) => `plugin-${index}`],
  ['modules that are not there', (index: number) => `other-${index}`],
])('doctor reads the modules of a place as often, however many references ask for %s', (_what, asked) => {
  const [one, four] = [readsFor(100, asked), readsFor(400, asked)];
  expect(four).toBeLessThan(5 * one);
});
