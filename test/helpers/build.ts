import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');

/** What `npm run build` compiles, and the parts that the crash tests drive on their own in a child process. */
const entries = ['index', 'cli/main', 'release/merge', 'volume/change', 'volume/prune', 'volume/rollback'];

/** Scenarios run the real binary, which runs what was compiled: compile it first. */
export default async function compile(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: entries.map((entry) => `src/${entry}.ts`),
    outdir: 'dist',
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
  });
  // What `npm run bundle` makes.
  execFileSync(process.execPath, [join(root, 'bin/bundle.mjs')]);
}
