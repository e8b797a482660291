import { chmod, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new directory that every user may enter, and that goes when the test has finished. */
export async function tempDir(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'plugferry-test-'));
  await chmod(path, 0o755);
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Every file below a directory with its content (links with their target), for comparing whole trees. */
export async function treeOf(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(root, path);
    if (entry.isSymbolicLink()) found.set(name, `-> ${await readlink(path)}`);
    else if (entry.isFile()) found.set(name, (await readFile(path)).toString('latin1'));
    else found.set(name, '(directory)');
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
