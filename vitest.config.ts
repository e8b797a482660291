import { defineConfig } from 'vitest/config';

/**
 * Tests that try every step, errno or thousands of mutations: minutes of work that seldom finds what the others do not.
 * `npm run test:sweeps` runs them, and so does CI, each time.
 */
export const sweeps = [
  'test/volume/{kill,errno,errno-releases,power-cut,readers,two-importers}.test.ts',
  'test/corpus/{mutation,process}.test.ts',
  'test/bundle/zip-mutation.test.ts',
  'test/gateway/envoy-fuzz.test.ts',
  'test/parts/part-mutation.test.ts',
  'test/trust/edit-steps.test.ts',
];

/** Many tests start the real binary or a real server: generous, because a slow machine is not a defect. */
export const common = {
  globalSetup: 'test/helpers/build.ts',
  testTimeout: 300_000,
  hookTimeout: 300_000,
  pool: 'forks' as const,
  expect: { poll: { timeout: 60_000 } },
};

export default defineConfig({
  test: { ...common, include: ['test/**/*.test.ts'], exclude: sweeps, maxWorkers: 3 },
});
