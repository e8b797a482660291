import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiJson, escapeLine, escapeLines, escapeText } from '../../src/stream/text.js';

/** Any text at all, lone surrogates, controls and bidirectional marks included. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc
    .array(
      fc.constantFrom(
        '\x1b',
        '[2J',
        '\r',
        '\n',
        '\x9b',
        '\x7f',
        '\u202e',
        '\u2066',
        '\u2028',
        '\0',
        'a',
        '\\u{',
      ),
    )
    .map((parts) => parts.join('')),
);

/** Text with each escape put back. */
const unescaped = (text: string): string =>
  text.replace(/\\u\{([0-9a-f]+)\}/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)));

describe('escapeText', () => {
  test('leaves nothing but printable ASCII', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(escapeText(text)).toMatch(/^[\x20-\x7e]*$/);
      }),
    );
  });

  test('loses nothing: two texts look alike only when one of them is written like an escape', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        if (!text.includes('\\u{')) expect(unescaped(escapeText(text))).toBe(text);
      }),
    );
  });

  test('changes nothing that is safe already', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
        expect(escapeText(text)).toBe(text);
      }),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        expect(escapeText(escapeText(text))).toBe(escapeText(text));
      }),
    );
  });
});

describe('escapeLine and escapeLines', () => {
  test('leave nothing that has power over a terminal', () => {
    const powerful = /[\p{C}\p{Zl}\p{Zp}\p{Bidi_C}]/u;
    fc.assert(
      fc.property(anyText, (text) => {
        expect(powerful.test(escapeLine(text))).toBe(false);
        expect(powerful.test(escapeLines(text).replaceAll('\n', ''))).toBe(false);
        expect(escapeLines(text).split('\n')).toHaveLength(text.split('\n').length);
      }),
    );
  });
});

describe('asciiJson', () => {
  test('says the same in ASCII', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.dictionary(anyText, anyText)),
        fc.constantFrom(undefined, 2),
        (value, indent) => {
          const text = asciiJson(value, indent);
          expect(text).toMatch(/^[\n\x20-\x7e]*$/);
          expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        },
      ),
    );
  });
});
