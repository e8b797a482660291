import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPlugferryError, type PlugferryError } from '../../src/errors.js';
import { formatPluginId, parsePluginId } from '../../src/plugin/plugin.js';
import { parsePattern, select } from '../../src/plugin/selection.js';

const ids = (...references: readonly string[]) => references.map(parsePluginId);
const field = ids(
  'key-auth@2.0.0',
  'ai-proxy@1.0.0',
  'ai-proxy@2.0.1',
  'ai-cache@1.0.0',
  'mcp-server@latest-rc1',
  'key-auth@1.0.0',
);
const chosen = (include: readonly string[], exclude: readonly string[] = []): string[] =>
  select(field, { include, exclude }).map(formatPluginId);

function refusal(run: () => unknown): PlugferryError {
  try {
    run();
  } catch (error) {
    if (isPlugferryError(error)) return error;
    throw error;
  }
  throw new Error('not refused');
}

describe('a selection', () => {
  test.each([
    [
      'nothing said: all, in order',
      [],
      [],
      [
        'ai-cache@1.0.0',
        'ai-proxy@1.0.0',
        'ai-proxy@2.0.1',
        'key-auth@1.0.0',
        'key-auth@2.0.0',
        'mcp-server@latest-rc1',
      ],
    ],
    ['a name', ['key-auth'], [], ['key-auth@1.0.0', 'key-auth@2.0.0']],
    ['a name and a version', ['key-auth@2.0.0'], [], ['key-auth@2.0.0']],
    ['a star', ['ai-*'], [], ['ai-cache@1.0.0', 'ai-proxy@1.0.0', 'ai-proxy@2.0.1']],
    ['a star in both', ['*-auth@1.*'], [], ['key-auth@1.0.0']],
    ['a question mark', ['ai-?ache'], [], ['ai-cache@1.0.0']],
    [
      'overlapping patterns',
      ['ai-proxy', 'ai-proxy@1.0.0', '*-proxy'],
      [],
      ['ai-proxy@1.0.0', 'ai-proxy@2.0.1'],
    ],
    ['exclude alone', [], ['ai-*', '*@2.*'], ['key-auth@1.0.0', 'mcp-server@latest-rc1']],
    ['exclude wins', ['ai-*'], ['ai-proxy@1.0.0'], ['ai-cache@1.0.0', 'ai-proxy@2.0.1']],
    ['an exclude that fits nothing', ['key-auth@1.0.0'], ['wasm-go'], ['key-auth@1.0.0']],
  ])('%s', (...[, include, exclude, expected]) => {
    expect(chosen(include, exclude)).toEqual(expected);
  });

  test('hands back the items themselves and leaves the list alone', () => {
    const items = [
      { name: 'b', version: '1', more: true },
      { name: 'a', version: '1', more: false },
    ];
    expect(select(items, { include: ['b'], exclude: [] })[0]).toBe(items[0]);
    select(items, { include: [], exclude: [] });
    expect(items.map(({ name }) => name)).toEqual(['b', 'a']);
  });
});

describe('a selection that means nothing is refused', () => {
  test('a pattern without a match names what there is', () => {
    const error = refusal(() => chosen(['key-auth', 'waf']));
    expect(error.code).toBe('E_SELECTION');
    expect(error.message).toContain('"waf"');
    expect(error.message).toContain('ai-cache@1.0.0, ai-proxy@1.0.0');
  });

  test.each([
    ['key-aut', 'key-auth'],
    ['keyauth', 'key-auth'],
    ['proxy', 'ai-proxy'],
    ['kye-auth*@1.0.0', 'key-auth'],
    ['key-auth@3.0.0', 'key-auth@1.0.0 or key-auth@2.0.0'],
    ['key-*@3.0.0', 'key-auth@1.0.0 or key-auth@2.0.0'],
  ])('%s: did you mean %s?', (pattern, near) => {
    expect(refusal(() => chosen([pattern])).hint).toBe(`Did you mean ${near}?`);
  });

  test('nothing similar, no suggestion', () => {
    expect(refusal(() => chosen(['zzz'])).hint).not.toContain('mean');
    expect(refusal(() => chosen(['*?*?*zz'])).code).toBe('E_SELECTION');
  });

  test('a long list is cut', () => {
    const many = Array.from({ length: 33 }, (_, index) => ({ name: `p${index}`, version: '1' }));
    const { message } = refusal(() => select(many, { include: ['waf'], exclude: [] }));
    expect(message.match(/@1/g)).toHaveLength(20);
    expect(message).toContain('and 13 more');
    const few = many.slice(0, 20);
    expect(refusal(() => select(few, { include: ['waf'], exclude: [] })).message).not.toContain('more');
  });

  test('excluding everything, or having nothing', () => {
    expect(refusal(() => chosen([], ['*'])).code).toBe('E_SELECTION');
    expect(refusal(() => chosen(['ai-*'], ['ai-*@*'])).message).toContain('leaves no plugin');
    expect(refusal(() => select([], { include: [], exclude: [] })).code).toBe('E_SELECTION');
  });
});

describe('a pattern', () => {
  test.each([
    '',
    '@1.0.0',
    'a@',
    'a@b@c',
    'A',
    'a b',
    '../a',
    'a/b',
    '(a+)+$',
    'a[b]',
    '\x1b',
    '*'.repeat(257),
  ])('%j is refused', (text) => {
    expect(refusal(() => parsePattern(text)).code).toBe('E_USAGE');
  });

  test('a dot is a dot', () => {
    expect(parsePattern('a@1.0').matches({ name: 'a', version: '1x0' })).toBe(false);
    expect(parsePattern('a.b').matches({ name: 'axb', version: '1' })).toBe(false);
  });

  test('matches as the regular expression that it stands for', () => {
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 8 });
    const name = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(glob, name, (text, subject) => {
        const expression = new RegExp(`^${text.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(parsePattern(text).matches({ name: subject, version: '1' })).toBe(expression.test(subject));
      }),
      { numRuns: 2000, seed: 5 },
    );
  });

  test('of many stars ends', () => {
    const pattern = parsePattern(`${'*a'.repeat(120)}b`);
    expect(pattern.matches({ name: 'a'.repeat(63), version: '1' })).toBe(false);
  });
});
