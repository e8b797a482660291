import { mergePlugins } from '../../src/release/merge.js';
import { expect, test } from 'vitest';
import { formatPluginId } from '../../src/plugin/plugin.js';
import { arriving, type Plugins } from './scene.js';

const listed = (plugins: Plugins, unsigned = false) => arriving({ plugins, unsigned }).plugins;
const signed = listed({ 'waf@1.0.0': 'one' });

test('every plugin is in the list that says what happens to it', () => {
  const current = listed({ 'a@1': 'same', 'b@1': 'old', 'c@1': 'gone' });
  const merged = mergePlugins(current, listed({ 'a@1': 'same', 'b@1': 'new', 'd@1': 'added' }), {
    mode: 'replace',
    allowOverwrite: true,
  });
  const names = (ids: readonly { name: string; version: string }[]) => ids.map(formatPluginId);
  expect(names(merged.unchanged)).toEqual(['a@1']);
  expect(names(merged.replaced)).toEqual(['b@1']);
  expect(names(merged.removed)).toEqual(['c@1']);
  expect(names(merged.added)).toEqual(['d@1']);
  expect(names(merged.plugins)).toEqual(['a@1', 'b@1', 'd@1']);
});

test('all conflicts are named at once, in the mode replace as well', () => {
  const current = listed({ 'b@1': 'one', 'a@1': 'two', 'c@1': 'three' });
  for (const mode of ['merge', 'replace'] as const) {
    expect(() => mergePlugins(current, listed({ 'b@1': 'x', 'a@1': 'y' }), { mode })).toThrow(
      expect.objectContaining({
        code: 'E_CONFLICT',
        details: { plugins: ['a@1', 'b@1'] },
        hint: expect.stringContaining('new version'),
      }),
    );
  }
});

test('another metadata.txt alone is an update, not a conflict', () => {
  const next = arriving({ plugins: { 'waf@1.0.0': 'one' }, metadata: 'MD5: other\n' }).plugins;
  const merged = mergePlugins(signed, next);
  expect(merged.updated).toEqual([{ name: 'waf', version: '1.0.0' }]);
  expect(merged.plugins[0]!.files.find(({ name }) => name === 'metadata.txt')?.sha256).toBe(
    next[0]!.files.find(({ name }) => name === 'metadata.txt')?.sha256,
  );
});

test('a plugin that comes without metadata.txt keeps the one it has', () => {
  const bare = signed.map((plugin) => ({
    ...plugin,
    files: plugin.files.filter(({ name }) => name === 'plugin.wasm'),
  }));
  const merged = mergePlugins(signed, bare);
  expect(merged.unchanged).toHaveLength(1);
  expect(merged.plugins[0]!.files).toHaveLength(2);
});

test('known bytes take the mark of the bundle that signs for them, and keep it', () => {
  const unsigned = listed({ 'waf@1.0.0': 'one' }, true);
  expect(mergePlugins(unsigned, signed).plugins[0]!.unsigned).toBeUndefined();
  expect(mergePlugins(signed, unsigned).plugins[0]!.unsigned).toBeUndefined();
  expect(mergePlugins([], unsigned).plugins[0]!.unsigned).toBe(true);
});
