import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlugferryError } from '../../src/errors.js';
import { formatYaml, parseYaml, yamlText } from '../../src/schema/yaml.js';
import { errorCode } from '../helpers/cli.js';
import { hasKubectl, readByKubectl } from '../helpers/kubectl.js';
import { tempDir } from '../helpers/temp.js';
import { growthOf } from '../helpers/work.js';

const context = { file: 'x.yaml', code: 'E_SOURCE', hint: 'Look at it.' } as const;
const head = 'apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: thing}\n';

/** Unquoted scalars over which readers of YAML disagree. */
const scalars = [
  ...[
    'on',
    'On',
    'ON',
    'off',
    'yes',
    'Yes',
    'no',
    'NO',
    'y',
    'Y',
    'n',
    'N',
    'true',
    'False',
    'tRue',
    'oN',
    'yES',
  ],
  ...[
    '~',
    'null',
    'Null',
    'NULL',
    'nUll',
    'None',
    '=',
    '<',
    '1_000',
    '1__0',
    '_1',
    '1_',
    '0o7',
    '0O17',
    '-0o7',
    '0o',
    '0o8',
  ],
  ...[
    '017',
    '0777',
    '08',
    '09.5',
    '00',
    '0_7',
    '0x1F',
    '0X1f',
    '0x1_F',
    '0x',
    '+0x1',
    '0b11',
    '-0b11',
    '0b',
    '0b2',
  ],
  ...[
    '+1',
    '-1',
    '-0',
    '+0',
    '1.',
    '.5',
    '-.5',
    '+.5',
    '.5e3',

    '.',
    '..',
    '.e3',
    'e3',
    '1e3',
    '1E3',
    '1e+3',
    '1e',
    '1e3_0',
  ],
  ...[
    '1_0.5',
    '685_230.15',
    '6.8523015e+5',
    '+12e03',
    '0.10',
    '1.10',
    '1.5.5',
    '1.0.0',
    '1e400',
    '-1e400',
    '1e-400',
  ],
  ...[
    '1:30',
    '12:30:45',
    '-1:30',
    '2001-01-01',
    '2001-01-01T10:00:00Z',
    '2001-01-01 10:00:00',
    '2001-1-1',
    '20010101',
  ],
  ...[
    '9007199254740991',
    '9007199254740993',
    '9223372036854775807',
    '9223372036854775808',
    '18446744073709551615',
  ],
  ...[
    '18446744073709551616',
    '-9223372036854775808',
    '-9223372036854775809',
    '0777777777777777777777777',
    '1,000',
    '10.0.0.0/8',
  ],
  ...[
    '::1',
    'a::b',
    'NaN',
    'Infinity',
    'inf',
    '-',
    '--',
    '- ',
    '+',
    '1 2',
    '0 ',
    '12345678901234567890',
    '0xFFFFFFFFFFFFFFFFF',
  ],
].filter((text) => !/^-?\s*$/.test(text));

/** Strings that somebody might take for something else, or choke on. */
const strings = [
  ...scalars,
  ...[
    '',
    ' ',
    ' a',
    'a ',
    '\n',
    '\na',
    'a\n',
    'a\n\n',
    ' a\nb',
    'a\n  b\nc\n',
    'a\r\nb',
    '\t',
    'a\tb',
    '\ta\nb',
    'a \nb',
  ],
  ...[
    '# a',
    'a # b',
    'a: b',
    'a:',
    ':a',
    '- a',
    '? a',
    '&a',
    '*a',
    '!a',
    '!!str a',
    '%a',
    '@a',
    '`a',
    '{a}',
    '[a]',
    '|',
    '>',
    '"',
    "'",
  ],
  ...[
    '---',
    '...',
    '--- a',
    'a\n---\nb',
    'a\n...\nb',
    '%YAML 1.2\nb',
    '<<',
    '\\',
    '\\n',
    '"a"',
    "'a'",
    'it\'s "it"',
    '${NAME}',
  ],
  ...[
    'é',
    '中文',
    '🚀',
    '\u0085',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\u007f',
    '\u0080',
    '\u009f',
    '\u0001',
    '\u001b[2J',
    '\u00a0',
    '\ufffd',
  ],
  'x'.repeat(500),
  'word '.repeat(100),
  'line of text\n'.repeat(20),
  '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n',
];

/** An object with one field a text. */
const thing = (values: readonly unknown[]): Record<string, unknown> => ({
  apiVersion: 'example.org/v1',
  kind: 'Thing',
  metadata: { name: 'thing' },
  values: Object.fromEntries(values.map((value, index) => [`k${index}`, value])),
});

const valueOf = (text: string): unknown => parseYaml(text, context)[0]?.value;
const refusal = (text: string): PlugferryError => {
  try {
    parseYaml(text, context);
  } catch (error) {
    if (error instanceof PlugferryError) return error;
    throw error;
  }
  throw new Error('accepted');
};

describe.skipIf(!hasKubectl)('what kubectl reads', () => {
  test('from a text of others is what we read', () => {
    const text = `${head}values:\n${scalars.map((scalar, index) => `  k${index}: ${scalar}\n`).join('')}`;
    expect(valueOf(text)).toEqual(readByKubectl(text)[0]);
  });

  test('as keys is what we read', () => {
    const keys = scalars.filter(
      (text) => !/^(?:<|=|~|null)$|[:,]| $|^-?\d{16}|^0x?[F7]{9}|^6.*85|e400/i.test(text),
    );
    const distinct = [
      ...new Map(keys.map((key) => [String(Object.keys(valueOf(`${key}: 1`) as object)[0]), key])).values(),
    ];
    const text = `${head}values:\n${distinct.map((key) => `  ${key}: x\n`).join('')}`;
    expect(valueOf(text)).toEqual(readByKubectl(text)[0]);
  });

  test('from what formatYaml writes is what was meant', () => {
    const values = [
      ...strings,
      0,
      -0,
      1,
      -1.5,
      1e21,
      1e-7,
      2 ** 53,
      true,
      false,
      null,
      [],
      {},
      [[], {}],
      [[1, [2]]],
      { a: { b: [{ c: 'on' }] } },
    ];
    const keys = Object.fromEntries(strings.map((key, index) => [key, index]));
    const objects = [thing(values), { ...thing([]), keys }];
    expect(readByKubectl(formatYaml(objects))).toEqual(JSON.parse(JSON.stringify(objects)));
  });

  test('from a ConfigMap that formatYaml writes is what was meant', () => {
    const [text, bytes] = [strings.join('\n'), randomBytes(100_000).toString('base64')];
    const configMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'shard',
        namespace: 'on',
        labels: { 'a/b': 'yes', c: '1.10' },
        annotations: { n: '0o7' },
      },
      data: { text },
      binaryData: { bytes },
      immutable: true,
    };
    expect(readByKubectl(formatYaml([configMap]))[0]).toMatchObject(configMap);
  });

  test('from a text that went through our hands is what it was', () => {
    const quoted = strings.map(
      (text, index) =>
        `  q${index}: ${JSON.stringify(text).replace(/[\u007f-\u009f\ufeff\u2028\u2029]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`,
    );
    const text = `# head\n${head}plain: # of plain\n${scalars.map((scalar, index) => `  k${index}: ${scalar} # no ${index}\n`).join('')}quoted:\n${quoted.join('')}
base: &base {on: 1, 'no': [a, 'b']}
merged: {<<: *base, on: 2}
alias: *base
blocks:
  literal: |
    one
      two

    three
  keep: |+
    one

  strip: |-
    one # no comment
    \ttwo
  indented: |2
      one
    two
  folded: >
    one
    two

    three
  flow: {a: 1_000, "b": 'it''s', c: [on, "on"]}
  multi: one
    two

    three
  single: 'one

    two'
  double: "one
    two\\
    three"
`;
    const [part] = parseYaml(text, context);
    const again = yamlText(part!.document);
    expect(part!.value).toEqual(readByKubectl(text)[0]);
    expect(readByKubectl(again)[0]).toEqual(readByKubectl(text)[0]);
    for (const comment of ['# head', '# of plain', '# no 7']) expect(again).toContain(comment);
  });

  test('whatever the strings are', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.string({
        unit: fc.constantFrom(
          ' ',
          '\n',
          '\t',
          '#',
          ':',
          '-',
          "'",
          '"',
          '|',
          '>',
          'a',
          '1',
          '.',
          '_',
          'e',
          '%',
          '&',
          '*',
          '!',
          '{',
          ']',
          ',',
          '\\',
        ),
        maxLength: 8,
      }),
    );
    const value = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        text,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).value;
    const objects = fc.sample(value, { seed: 7, numRuns: 400 }).map((each) => thing([each]));
    expect(readByKubectl(formatYaml(objects))).toEqual(JSON.parse(JSON.stringify(objects)));
    const again = parseYaml(formatYaml(objects), context)
      .map(({ document }) => yamlText(document))
      .join('---\n');
    expect(readByKubectl(again)).toEqual(JSON.parse(JSON.stringify(objects)));
  });
});

describe('YAML that means harm', () => {
  const names = Array.from('abcdefghi');
  const bomb = names.map((name, index) => {
    const item = index === 0 ? 'x' : `*${names[index - 1]}`;
    return `${name}: &${name} [${Array.from({ length: 10 }, () => item).join(', ')}]`;
  });

  test.each([
    ['an alias bomb', bomb.join('\n'), 'aliases stand for more than 100000 values'],
    ['a value that contains itself', 'a: &a {b: *a}', 'a value contains itself'],
    ['a list that contains itself', 'a: &a [*a]', 'a value contains itself'],
    ['a merge of itself', 'a: &a {<<: *a}', 'a value contains itself'],
    ['an alias to nothing', 'a: *b', 'the alias *b stands for nothing'],
    ['a merge of text', 'a: {<<: b}', 'a merge key (<<) takes mappings only'],
    ['a key twice', 'a: 1\nb: 2\na: 3', 'the key "a" is there twice'],
    ['a key twice, spelt otherwise', 'on: 1\n"true": 3', 'the key "true" is there twice'],
    ['a key twice in the depth', '[{a: {b: 1, b: 2}}]', 'the key "b" is there twice'],
    ['a mapping as key', '? {a: 1}\n: 2', 'a key is no text'],
    ['an alias as key', 'a: &a x\n? *a\n: 2', 'a key is no text'],
    ['no key', '~: 2', 'a key is no text'],
    ['an unknown tag', 'a: !exec rm', 'Unresolved tag: !exec'],
    [
      'a tag of YAML that no Kubernetes object has',
      'a: !!binary aGk=',
      'Unresolved tag: tag:yaml.org,2002:binary',
    ],
    ['the same under another version', '%YAML 1.2\n---\na: !!timestamp 2001-01-01', 'Unresolved tag'],
    ['an infinity', 'a: .inf', 'is no number that a Kubernetes object can hold'],
    ['not a number', 'a: -.INF', 'is no number that a Kubernetes object can hold'],
    ['deep flow lists', '['.repeat(201), 'nested deeper than 200 levels'],
    ['deep flow mappings', '{a: '.repeat(201), 'nested deeper than 200 levels'],
    ['deep compact lists', '- '.repeat(201), 'nested deeper than 200 levels'],
    [
      'deep lines',
      Array.from({ length: 202 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
      'nested deeper than 200 levels',
    ],
    ['a tab for an indent', 'a:\n\tb: 1', 'at line 2'],
    ['a quote that does not end', 'a: "b', 'at line 1'],
  ])('%s is refused, with its line and without its words', (_what, text, says) => {
    const error = refusal(text);
    expect([error.code, error.hint]).toEqual(['E_SOURCE', 'Look at it.']);
    expect(error.message).toMatch(/^x\.yaml: /);
    expect(error.message).toContain(says);
  });

  test('what stands at a wrong place is not repeated: it may be a secret', () => {
    for (const text of [
      'a: "b\nhunter2',
      'a: [1\nhunter2: 2',
      'password: @hunter2',
      'a: b\n hunter2\nc',
      '{a: b} hunter2',
      'a: |x hunter2\n',
    ]) {
      expect(refusal(text).message).not.toContain('hunter2');
    }
  });

  const size = 16 * 1024 * 1024;
  test.each([
    ['pairs', 'a: b\n'],
    ['items', '- a\n'],
    ['flow items', 'a,'],
    ['open brackets', '['],
    ['compact items', '- '],
    ['documents', '---\n'],
    ['comments', '#\n'],
    ['explicit keys', '{? '],
    ['anchors', '- &a a\n'],
    ['line feeds', '\n'],
  ])('16 MiB of %s are refused for their number, before anything is made of them', (_what, piece) => {
    const error = refusal(`${piece === 'a,' ? '[' : ''}${piece.repeat(size / piece.length)}`);
    expect(error.message).toMatch(/more than 1000000 words and marks|nested deeper|longer than/);
  });

  test('16 MiB of one text are read', () => {
    expect(valueOf(`a: |\n${' line of text\n'.repeat(size / 14 - 10)}`)).toMatchObject({
      a: expect.any(String),
    });
    expect(refusal('x'.repeat(size + 1)).message).toBe(`x.yaml: longer than ${size} characters`);
  });

  test('100,000 keys, and as many aliases, are read', () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => `k${index}: v\n`).join('');
    expect(Object.keys(valueOf(keys) as object)).toHaveLength(100_000);
    const aliases = `a: &a x\nb:\n${'- *a\n'.repeat(90_000)}`;
    expect((valueOf(aliases) as { b: string[] }).b).toHaveLength(90_000);
  });

  test('__proto__ is a key like any other', () => {
    const value = valueOf('__proto__: {a: 1}\nconstructor: 2') as object;
    expect(Object.entries(value)).toEqual([
      ['__proto__', { a: 1 }],
      ['constructor', 2],
    ]);
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });
});

test.each([
  ['documents', (count: number) => '---\na: 1\n'.repeat(count), 'E_SELECTION'],
  ['mistakes in one line', (count: number) => `{${'"x" "y", '.repeat(count)}}`, 'E_SOURCE'],
  ['mistakes in lines', (count: number) => '- !a !b c\n'.repeat(count), 'E_SOURCE'],
  ['aliases', (count: number) => `- &a 1\n${'- *a\n'.repeat(count)}`, 'E_SELECTION'],
  ['merge keys', (count: number) => `- &a { b: 1 }\n${'- <<: *a\n'.repeat(count)}`, 'E_SELECTION'],
  [
    'keys',
    (count: number) => Array.from({ length: count }, (_, at) => `k${at}: 1\n`).join(''),
    'E_SELECTION',
  ],
])('takes work in proportion to %s', async (_what, textOf, code) => {
  const { growth, runs } = await growthOf(400, async (count) => {
    const file = join(await tempDir(), 'many.yaml');
    await writeFile(file, textOf(count));
    return { args: ['export', file, '-o', `${file}.tar.gz`, '--json'] };
  });
  expect(runs.map(errorCode)).toEqual(runs.map(() => code));
  expect(growth).toBeLessThan(2.5);
});
