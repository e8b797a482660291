import { execFileSync } from 'node:child_process';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const mountTmpfs = (options: string, path: string): void => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=755,${options}`, 'tmpfs', path], { stdio: 'pipe' });
};
const unmount = (path: string): void => {
  execFileSync('umount', [path], { stdio: 'pipe' });
};

/** Whether this process may mount: root with CAP_SYS_ADMIN, which most containers do not have. */
export const canMount = ((): boolean => {
  const path = mkdtempSync(join(tmpdir(), 'plugferry-mount-'));
  try {
    mountTmpfs('size=64k', path);
    unmount(path);
    return true;
  } catch {
    // eslint-disable-next-line no-console
    console.warn('tests on a real full disk are skipped: they need root with CAP_SYS_ADMIN to mount a tmpfs');
    return false;
  } finally {
    rmdirSync(path);
  }
})();

/** A file system of its own that goes when the test has finished; `options` as `mount -o` takes them. */
export async function mounted(options: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'plugferry-mount-'));
  mountTmpfs(options, path);
  onTestFinished(async () => {
    unmount(path);
    await rmdir(path);
  });
  return path;
}

export const remount = (path: string, options: string): void => {
  execFileSync('mount', ['-o', `remount,${options}`, path], { stdio: 'pipe' });
};
