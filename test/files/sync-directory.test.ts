import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { committedFile } from '../../src/files/atomic-file.js';
import { localFileSystem } from '../../src/files/local-file-system.js';
import { watchFileSystem } from '../helpers/faults.mjs';
import { tempDir } from '../helpers/temp.js';

/** Makes the flush of every directory fail. */
async function failingFlush(code: string): Promise<void> {
  const undo = await watchFileSystem(async ({ name, handle }) => {
    if (name !== 'handle.sync') return undefined;
    const stats = await (handle as { stat(): Promise<{ isDirectory(): boolean }> }).stat();
    if (stats.isDirectory()) throw Object.assign(new Error(`${code}: fsync`), { code, errno: -1 });
    return undefined;
  });
  onTestFinished(undo);
}

test.each(['EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR', 'ENOSYS', 'EBADF'])(
  'a file system that says %s to the flush of a directory holds outputs and volumes alike',
  async (code) => {
    const dir = await tempDir();
    await mkdir(join(dir, 'volume'));
    await failingFlush(code);
    const path = join(dir, 'output');
    await committedFile(path, { force: false }, (handle) => handle.writeFile('whole'));
    expect(await readFile(path, 'utf8')).toBe('whole');
    expect(await localFileSystem.syncDirectory(join(dir, 'volume'))).toBe(false);
  },
);

test('a medium that fails at the flush of a directory is an error for both', async () => {
  const dir = await tempDir();
  await failingFlush('EIO');
  const write = committedFile(join(dir, 'output'), { force: false }, (handle) => handle.writeFile('x'));
  await expect(write).rejects.toThrow();
  await expect(localFileSystem.syncDirectory(dir)).rejects.toMatchObject({ code: 'EIO' });
});
