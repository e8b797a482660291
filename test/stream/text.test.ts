import { expect, test } from 'vitest';
import { asciiJson, escapeLine, escapeLines, escapeText, formatBytes } from '../../src/stream/text.js';

test('names of Chinese directories stay readable; what steers a terminal does not get through', () => {
  const text = '/数据/插件（测试）/café\n\u001b[2J\u009b1m\u202e\u200d\u0007\r\u05d0 x';
  expect(escapeLines(text)).toBe(
    '/数据/插件（测试）/café\n\\u{1b}[2J\\u{9b}1m\\u{202e}\\u{200d}\\u{7}\\u{d}\\u{5d0} x',
  );
  expect(escapeLine('a\nb 插')).toBe('a\\u{a}b 插');
  expect(escapeText('插件\n')).toBe('\\u{63d2}\\u{4ef6}\\u{a}');
});

test('JSON is the same data in printable ASCII', () => {
  const value = { path: '/数据/\u001b\u009b\u202e😀', lone: '\ud800', list: [1, null] };
  for (const indent of [undefined, 2]) {
    const text = asciiJson(value, indent);
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(JSON.parse(text)).toEqual(value);
  }
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [268_435_456, '256.0 MiB'],
  [5 * 1024 ** 4, '5.0 TiB'],
])('%d bytes read %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
