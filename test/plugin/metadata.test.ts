import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { digestOf } from '../../src/stream/digest.js';
import { checkMetadata, formatMetadata, maxMetadataBytes, parseMetadata } from '../../src/plugin/metadata.js';
import { isPluginName } from '../../src/plugin/plugin.js';

const md5 = 'b946d3b0ec01f0bffca11e25cca1ce4b';
const good = [
  'Plugin Name: key-auth',
  'Size: 1056134 bytes',
  'Last Modified: 2020-09-13T12:26:40',
  'Created: 2026-11-22T13:47:41.135492',
  `MD5: ${md5}`,
  '',
];
const text = good.join('\n');
const file = 'plugins/key-auth/1.0.0/metadata.txt';
const parsed = {
  name: 'key-auth',
  size: 1056134,
  lastModified: '2020-09-13T12:26:40',
  created: '2026-11-22T13:47:41.135492',
  md5,
};
const withLine = (index: number, line: string): string => good.with(index, line).join('\n');

describe('metadata.txt is read', () => {
  test.each([
    ['as the image build writes it', text, parsed],
    [
      'as the stand-alone generator writes it',
      withLine(0, 'File: key-auth:1.0.0'),
      { ...parsed, version: '1.0.0' },
    ],
    [
      'with the fraction in the other time',
      withLine(2, 'Last Modified: 2020-09-13T12:26:40.000001'),
      { ...parsed, lastModified: '2020-09-13T12:26:40.000001' },
    ],
    ['with Windows line ends', good.join('\r\n'), parsed],
    ['without a last line feed', text.trimEnd(), parsed],
    ['of an empty module', withLine(1, 'Size: 0 bytes'), { ...parsed, size: 0 }],
  ])('%s', (_name, input, expected) => {
    expect(parseMetadata(input, file)).toEqual(expected);
  });
});

describe('metadata.txt is refused, with its line', () => {
  test.each([
    ['empty', '', 1],
    ['another page', '<html>404</html>', 1],
    ['no name', withLine(0, 'Plugin Name: '), 1],
    ['a name that is a path', withLine(0, 'Plugin Name: ../x'), 1],
    ['a file without version', withLine(0, 'File: key-auth'), 1],
    ['a file with a version that is a path', withLine(0, 'File: key-auth:..'), 1],
    ['a byte order mark', `\ufeff${text}`, 1],
    ['no unit', withLine(1, 'Size: 12'), 2],
    ['a negative size', withLine(1, 'Size: -1 bytes'), 2],
    ['a size in other words', withLine(1, 'Size: 1e3 bytes'), 2],
    ['a size past all numbers', withLine(1, `Size: ${'9'.repeat(40)} bytes`), 2],
    ['no blank behind the colon', withLine(1, 'Size:12 bytes'), 2],
    ['a month 13', withLine(2, 'Last Modified: 2020-13-01T00:00:00'), 3],
    ['a time with an offset', withLine(2, 'Last Modified: 2020-09-13T12:26:40Z'), 3],
    ['a fraction of three digits', withLine(3, 'Created: 2026-11-22T13:47:41.135'), 4],
    ['lines in another order', [good[0], good[1], good[3], good[2], good[4]].join('\n'), 3],
    ['an MD5 in capitals', withLine(4, `MD5: ${md5.toUpperCase()}`), 5],
    ['a short MD5', withLine(4, 'MD5: b946'), 5],
    ['a missing line', good.slice(0, 4).join('\n'), 5],
    ['a sixth line', `${text}Signed: yes\n`, 6],
    ['an empty line behind', `${text}\n`, 6],
    ['a terminal escape', withLine(4, '\x1b[2J'), 5],
  ])('%s', (_name, input, line) => {
    expect(() => parseMetadata(input, file)).toThrow(
      expect.objectContaining({
        code: 'E_METADATA',
        message: expect.stringMatching(new RegExp(`^${file}: line ${line} is `)),
        details: expect.objectContaining({ file, line }),
      }),
    );
  });

  test('too large, without repeating it', () => {
    const large = 'x'.repeat(maxMetadataBytes + 1);
    expect(() => parseMetadata(large, file)).toThrow(expect.objectContaining({ code: 'E_METADATA' }));
    try {
      parseMetadata('x'.repeat(maxMetadataBytes), file);
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(300);
    }
  });

  test('any text either parses or is refused with E_METADATA', () => {
    const line = fc.oneof(fc.constantFrom(...good), fc.string({ unit: 'binary' }), fc.constant('\r'));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        try {
          expect(parseMetadata(lines.join('\n'), file).md5).toBe(md5);
        } catch (error) {
          if (!isPlugferryError(error)) throw error;
          expect(error.code).toBe('E_METADATA');
        }
      }),
      { numRuns: 2000, seed: 3 },
    );
  });
});

describe('metadata.txt is written', () => {
  test('in the form of the plugin server, and the same every time', () => {
    expect(formatMetadata({ name: 'key-auth', size: 12, md5 })).toBe(
      'Plugin Name: key-auth\n' +
        'Size: 12 bytes\n' +
        'Last Modified: 1980-01-01T00:00:00\n' +
        'Created: 1980-01-01T00:00:00\n' +
        `MD5: ${md5}\n`,
    );
  });

  test('what is written is read back', () => {
    const name = fc.stringMatching(/^[a-z0-9](?:[a-z0-9._-]{0,20}[a-z0-9])?$/).filter(isPluginName);
    const hex = fc.stringMatching(/^[0-9a-f]{32}$/);
    fc.assert(
      fc.property(fc.record({ name, size: fc.nat(268435456), md5: hex }), (facts) => {
        expect(parseMetadata(formatMetadata(facts), file)).toMatchObject(facts);
      }),
      { seed: 4 },
    );
  });
});

describe('metadata.txt is compared with the module', () => {
  const digest = digestOf(Buffer.from('module'));
  const metadata = parseMetadata(formatMetadata({ name: 'a', ...digest }), file);

  test('that it describes', () => {
    expect(() => {
      checkMetadata(metadata, digest, file);
    }).not.toThrow();
  });

  test.each([
    ['size', { ...digest, size: 7 }, ['6 bytes', '7 bytes']],
    ['MD5', { ...digest, md5 }, [digest.md5, md5]],
  ])('another %s is refused with both values', (_what, other, [expected, found]) => {
    expect(() => {
      checkMetadata(metadata, other, file);
    }).toThrow(
      expect.objectContaining({
        code: 'E_METADATA',
        message: expect.stringContaining(file),
        details: { file, expected, found },
      }),
    );
  });
});
