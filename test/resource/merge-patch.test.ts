import { describe, expect, test } from 'vitest';
import { mergePatch } from '../../src/resource/merge-patch.js';
import { documentOf, isMap, type YAMLMap } from '../../src/schema/yaml-library.js';
import { parseYaml, yamlText } from '../../src/schema/yaml.js';

const mapOf = (value: unknown): YAMLMap => {
  const { contents } = documentOf(value);
  if (!isMap(contents)) throw new Error('no mapping');
  return contents;
};
const merged = (target: unknown, patch: Record<string, unknown>): unknown => {
  const map = mapOf(target);
  mergePatch(map, patch);
  return map.toJSON() as unknown;
};

describe('a merge patch', () => {
  // RFC 7386, appendix A: those of its cases in which both are objects, as resources and patches are.
  test.each<[unknown, Record<string, unknown>, unknown]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    [{ a: 1 }, { a: { b: null, c: 2 } }, { a: { c: 2 } }],
    [{ a: { b: 1 } }, { a: [null, { x: null }] }, { a: [null, { x: null }] }],
    [{ '1': 'a' }, { '1': null, '2': 'b' }, { '2': 'b' }],
  ])('%j with %j is %j', (target, patch, result) => {
    expect(merged(target, patch)).toEqual(result);
  });

  test('keeps comments, and says what is different, not what is equal', () => {
    const context = { file: 'x', code: 'E_SOURCE', hint: '' } as const;
    const [part] = parseYaml('# top\na: # here\n  b: 1 # one\n  c: {d: [1, 2]}\n  1: x\n', context);
    const { contents } = part!.document;
    const changes = mergePatch(contents as YAMLMap, {
      a: { b: 2, c: { d: [1, 2] }, '1': 'x', e: { 'f g': true }, z: null },
    });
    expect(changes).toEqual([
      { path: 'a.b', what: 'set' },
      { path: 'a.e', what: 'set' },
    ]);
    const text = yamlText(part!.document);
    for (const comment of ['# top', '# here', '# one']) expect(text).toContain(comment);
    expect(text).toContain('b: 2 # one');
  });

  test('does not reach prototypes', () => {
    const patch = JSON.parse(
      '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"x": 1}}}',
    ) as Record<string, unknown>;
    merged({ a: 1 }, patch);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});
