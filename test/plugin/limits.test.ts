import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { maxBundlePlugins, maxReleaseBytes, maxReleasePlugins } from '../../src/plugin/limits.js';
import { describeRelease, releaseBytes, releaseId, sortedPlugins } from '../../src/release/release.js';
import type { ReleasePlugin } from '../../src/schema/release.js';

const limitIn = (schema: string): number | undefined => {
  const path = join(import.meta.dirname, `../../schemas/${schema}.schema.json`);
  const { properties } = JSON.parse(readFileSync(path, 'utf8')) as {
    properties: { plugins: { maxItems?: number } };
  };
  return properties.plugins.maxItems;
};

test('the limits of the program are those of its schemas', () => {
  expect(limitIn('manifest')).toBe(maxBundlePlugins);
  expect([limitIn('release'), limitIn('index')]).toEqual([maxReleasePlugins, maxReleasePlugins]);
});

test('one plugin more than a release may hold is a limit, and not a defect of the program', () => {
  const digest = { size: 1, sha256: 'f'.repeat(64), md5: 'f'.repeat(32) };
  const plugins = Array.from({ length: maxReleasePlugins + 1 }, (_, index): ReleasePlugin => ({
    name: `n${index}`,
    version: '1.0.0',
    files: [{ name: 'plugin.wasm', ...digest }],
  }));
  const describing = () =>
    describeRelease({ plugins, origin: { kind: 'import' } }, { at: new Date(), tool: 'test' });
  expect(describing).toThrow(expect.objectContaining({ code: 'E_LIMIT' }) as Error);
});

test('the largest release that may be written may be read', () => {
  const digest = { size: 268435456, sha256: 'f'.repeat(64), md5: 'f'.repeat(32) };
  const plugins = Array.from({ length: maxReleasePlugins }, (_, index): ReleasePlugin => {
    const number = String(index).padStart(5, '0');
    return {
      name: `${'n'.repeat(58)}${number}`,
      version: `${'1'.repeat(59)}${number}`,
      manifestSha256: 'f'.repeat(64),
      files: [
        { name: 'metadata.txt', ...digest },
        { name: 'plugin.wasm', ...digest },
      ],
    };
  });
  const sorted = sortedPlugins(plugins);
  const release = {
    type: 'plugferry.release/v1',
    id: releaseId(sorted),
    createdAt: '2026-01-01T00:00:00Z',
    tool: 'test',
    origin: { kind: 'import' },
    plugins: sorted,
  } as const;
  expect(releaseBytes({ ...release, origin: { kind: 'import' }, plugins: sorted }).length).toBeLessThan(
    maxReleaseBytes,
  );
});
