import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readCatalogue } from '../../src/catalogue/read.js';
import { isPlugferryError } from '../../src/errors.js';

/** What plugin-server makes of the text: a line that says something is a name, `=` and a reference. */
function asPluginServer(text: string): string[] | undefined {
  const found = new Map<string, string>();
  for (const line of text.split(/\r\n|\r|\n/).map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const at = line.indexOf('=');
    if (at === -1) return undefined;
    found.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  return [...found].map(([name, reference]) => `${name} ${reference}`);
}

function asPlugferry(text: string): string[] | undefined {
  try {
    const { entries } = readCatalogue({ file: 'plugins.properties', text });
    return entries.map(({ key, text: shown }) => `${key ?? ''} ${shown}`);
  } catch (error) {
    if (isPlugferryError(error)) return undefined;
    throw error;
  }
}

const name = fc.constantFrom('waf', 'key-auth', 'a', 'mcp-server');
const reference = fc.constantFrom(
  'oci://r.example/p/waf:1.0.0',
  'oci://localhost:5000/a/b:latest',
  'oci://r.example/x:2',
);
const noise = fc.constantFrom(
  '=',
  ':',
  ' ',
  '\t',
  '\f',
  '\\',
  '\n',
  '\r',
  '\r\n',
  '#',
  '!',
  '\\u0061',
  'x',
  '\\\n',
  '\u00a0',
  '',
);
const seldom = fc.oneof({ weight: 8, arbitrary: fc.constant('') }, noise);
const line = fc
  .tuple(seldom, name, seldom, fc.constantFrom('=', ' = ', '=', ':', ' '), seldom, reference, seldom)
  .map((parts) => parts.join(''));
const text = fc
  .array(fc.oneof({ weight: 5, arbitrary: line }, noise), { maxLength: 5 })
  .map((lines) => lines.join('\n'));

test('a text that plugin-server reads is read alike, or refused; never with an entry less or another', () => {
  let alike = 0;
  fc.assert(
    fc.property(text, (each) => {
      const [theirs, ours] = [asPluginServer(each), asPlugferry(each)];
      if (theirs === undefined || ours === undefined || theirs.length === 0) return;
      alike += 1;
      // A name or reference with a backslash or a mark of its own is one that nobody could ask for.
      const usable = theirs.filter((entry) => /^[a-z0-9][a-z0-9._-]* [^\\\s]+$/.test(entry));
      expect(usable.filter((entry) => !ours.includes(entry))).toEqual([]);
      if (usable.length === theirs.length) expect(ours).toEqual(theirs);
    }),
    { numRuns: 5000 },
  );
  expect(alike).toBeGreaterThan(100);
});
