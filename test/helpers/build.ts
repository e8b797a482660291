import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Scenarios run the real binary, which runs what was compiled: compile it first. */
export default function build(): void {
  const compiler = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
}
