import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePluginPath, pluginFileNames, pluginPath } from '../../src/plugin/layout.js';
import {
  comparePluginIds,
  formatPluginId,
  isPluginName,
  isPluginVersion,
  parsePluginId,
} from '../../src/plugin/plugin.js';
import { splitName } from '../helpers/bundle.js';

/** Pieces that path tricks are made of, and some honest ones. */
const piece = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '',
    '~',
    'C:',
    'con',
    'NUL',
    'com1',
    'aux.txt',
    '\\',
    '..\\',
    '%2e%2e',
    '\0',
    ' ',
    'a.',
    '\u202e',
    '\u00e9',
  ),
  fc.constantFrom(
    'plugins',
    'waf',
    'key-auth',
    '1.0.0',
    'latest-rc1',
    'plugin.wasm',
    'metadata.txt',
    'a',
    '-',
    '_',
  ),
  fc.string({ unit: 'binary', maxLength: 5 }),
);
const segment = fc.array(piece, { minLength: 1, maxLength: 3 }).map((pieces) => pieces.join(''));
const name = fc.oneof(
  segment,
  fc.stringMatching(/^[a-z0-9._-]{1,70}$/),
  fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}[a-z0-9]$/),
);
const version = fc.oneof(
  segment,
  fc.stringMatching(/^[A-Za-z0-9._+-]{1,70}$/),
  fc.stringMatching(/^\d\.\d\.\d(-[a-zA-Z]{1,5})?$/),
);
const file = fc.constantFrom(...pluginFileNames, 'Plugin.wasm', 'plugin.wasm ', '');
const path = fc.oneof(
  fc.tuple(name, version, file).map(([a, b, c]) => `plugins/${a}/${b}/${c}`),
  fc.array(segment, { maxLength: 6 }).map((segments) => segments.join('/')),
  fc.string({ unit: 'binary' }),
);

const runs = { numRuns: 3000 };

describe('parsePluginPath', () => {
  test('accepts only what pluginPath writes', () => {
    let accepted = 0;
    fc.assert(
      fc.property(path, (text) => {
        const parsed = parsePluginPath(text);
        if (parsed === undefined) return;
        accepted += 1;
        expect(pluginPath(parsed.id, parsed.file)).toBe(text);
      }),
      runs,
    );
    expect(accepted).toBeGreaterThan(runs.numRuns / 100);
  });

  test('accepts nothing that leaves a directory, on POSIX or Windows', () => {
    fc.assert(
      fc.property(path, (text) => {
        if (parsePluginPath(text) === undefined) return;
        expect(posix.resolve('/root/dir', text)).toBe(`/root/dir/${text}`);
        expect(posix.normalize(text)).toBe(text);
        expect(win32.resolve('C:\\root\\dir', text)).toBe(`C:\\root\\dir\\${text.replaceAll('/', '\\')}`);
        expect(win32.isAbsolute(text) || posix.isAbsolute(text)).toBe(false);
      }),
      runs,
    );
  });

  test('accepts only segments that file systems and URLs spell in one way', () => {
    fc.assert(
      fc.property(path, (text) => {
        if (parsePluginPath(text) === undefined) return;
        for (const part of text.split('/')) {
          // ASCII, nothing that a shell, a URL or Windows reads in its own way, no device, no dot or blank at the end.
          expect(part).toMatch(/^[A-Za-z0-9._+-]*[A-Za-z0-9_+-]$/);
          expect(part).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
          expect(part.startsWith('.')).toBe(false);
          expect(decodeURIComponent(part)).toBe(part);
        }
      }),
      runs,
    );
  });

  test('accepts only what fits into a ustar header', () => {
    fc.assert(
      fc.property(path, (text) => {
        if (parsePluginPath(text) === undefined) return;
        const split = splitName(text);
        expect(split.name.length).toBeLessThanOrEqual(100);
        expect(split.prefix?.length ?? 0).toBeLessThanOrEqual(155);
      }),
      runs,
    );
  });
});

describe('names and versions', () => {
  test('what the field uses is accepted', () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    const device = /^(con|prn|aux|nul|com\d|lpt\d)$/;
    fc.assert(
      fc.property(label, (text) => {
        expect(isPluginName(text)).toBe(!device.test(text));
      }),
      runs,
    );
    const numbers = fc.array(fc.nat({ max: 99_999 }), { minLength: 3, maxLength: 3 });
    const suffix = fc.constantFrom('', '-rc.1', '-alpha', '+build.5', '-rc1+g1234567');
    fc.assert(
      fc.property(numbers, suffix, (parts, rest) => {
        expect(isPluginVersion(`${parts.join('.')}${rest}`)).toBe(true);
      }),
    );
  });

  test('a name is lower case, so two names never differ in case only', () => {
    fc.assert(
      fc.property(name, (text) => {
        if (isPluginName(text)) expect(text).toBe(text.toLowerCase());
      }),
      runs,
    );
  });

  test('name@version is read back as it was written', () => {
    fc.assert(
      fc.property(name, version, (a, b) => {
        if (!isPluginName(a) || !isPluginVersion(b)) return;
        const id = { name: a, version: b };
        expect(parsePluginId(formatPluginId(id))).toEqual(id);
      }),
      runs,
    );
  });

  test('the order is total, and the same as that of the bytes', () => {
    const id = fc
      .record({ name, version })
      .filter((one) => isPluginName(one.name) && isPluginVersion(one.version));
    fc.assert(
      fc.property(id, id, (a, b) => {
        const order = Math.sign(comparePluginIds(a, b));
        expect(Math.sign(comparePluginIds(b, a)) + order).toBe(0);
        // A separator below every character that is allowed makes one byte comparison of the two.
        const bytes = [a, b].map((one) => Buffer.from(`${one.name}\0${one.version}`));
        expect(order).toBe(Buffer.compare(bytes[0]!, bytes[1]!));
      }),
    );
  });
});
