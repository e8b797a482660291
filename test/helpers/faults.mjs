/**
 * Puts itself between the code under test and the file system: every call of node:fs/promises and of its file handles is
 * counted and may be made to fail, to kill or to stop the process, or be written down.
 *
 * In a test: `await watchFileSystem(onCall)`. In a child process: `node --import .../faults.mjs`, which reads the order
 * `{"kill": n}` or `{"stop": n}` from PLUGFERRY_TEST_FAULT and obeys just before the n-th change.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';

const fs = createRequire(import.meta.url)('node:fs/promises');

/** Calls that change something on disk, or make it durable. */
const changing = new Set([
  'mkdir',
  'rename',
  'link',
  'symlink',
  'unlink',
  'rm',
  'writeFile',
  'copyFile',
  'chmod',
  'appendFile',
  'utimes',
  'handle.writeFile',
  'handle.sync',
  'handle.datasync',
  'handle.chmod',
  'handle.truncate',
]);
const looking = new Set([
  'lstat',
  'stat',
  'statfs',
  'readFile',
  'readdir',
  'readlink',
  'realpath',
  'handle.read',
  'handle.stat',
]);
const creating = 0o100;

const isChange = ({ name, args }) =>
  changing.has(name) || (name === 'open' && typeof args[1] === 'number' && (args[1] & creating) !== 0);

/**
 * @param onCall told of each call before it is made; what it throws, the caller gets. It may return a function that is told
 * of the result.
 * @returns a function that takes everything back.
 */
export async function watchFileSystem(onCall) {
  let calls = 0;
  let changes = 0;
  const undo = [];
  const wrap = (owner, key, name) => {
    const original = owner[key];
    owner[key] = async function (...args) {
      const call = { name, args, handle: this, index: calls };
      calls += 1;
      if (isChange(call)) {
        call.change = changes;
        changes += 1;
      }
      const finished = await onCall(call);
      const result = await Reflect.apply(original, this, args);
      // Node gives each handle a close of its own, so it is not to be found on the prototype.
      if (name === 'open') wrap(result, 'close', 'handle.close');
      finished?.(result);
      return result;
    };
    undo.push(() => {
      owner[key] = original;
    });
  };
  const probe = await fs.open('/dev/null');
  const prototype = Object.getPrototypeOf(probe);
  await probe.close();
  for (const name of ['open', ...changing, ...looking]) {
    if (name.startsWith('handle.')) wrap(prototype, name.slice('handle.'.length), name);
    else wrap(fs, name, name);
  }
  syncBuiltinESMExports();
  return () => {
    for (const restore of undo) restore();
    syncBuiltinESMExports();
  };
}

/**
 * Counts the bytes that are written into files that are opened under a name that `isCounted` wants.
 *
 * @returns how many so far, and a function that takes everything back.
 */
export async function countWritten(isCounted) {
  let total = 0;
  const counted = new WeakSet();
  const probe = await fs.open('/dev/null');
  const prototype = Object.getPrototypeOf(probe);
  await probe.close();
  const original = prototype.write;
  prototype.write = async function (...args) {
    const result = await Reflect.apply(original, this, args);
    if (counted.has(this)) total += result.bytesWritten;
    return result;
  };
  const restore = await watchFileSystem(({ name, args }) => {
    if (name !== 'open' || !isCounted(String(args[0]))) return undefined;
    return (handle) => counted.add(handle);
  });
  return {
    total: () => total,
    restore: () => {
      prototype.write = original;
      restore();
    },
  };
}

/**
 * A failure as the system reports it. A file that is being written keeps half of the bytes, as on a full disk; one that is
 * being closed is closed.
 */
export async function failWith(code, { name, args, handle }) {
  if (name === 'handle.writeFile' && args[0].length > 1) {
    await handle.write(args[0], 0, Math.floor(args[0].length / 2)).catch(() => undefined);
  }
  if (name === 'handle.close') await handle.close().catch(() => undefined);
  const path = typeof args[0] === 'string' ? args[0] : undefined;
  const error = Object.assign(new Error(`${code}: injected, ${name} ${path ?? ''}`), {
    errno: -1,
    code,
    syscall: name,
  });
  if (path !== undefined) error.path = path;
  throw error;
}

const order = JSON.parse(process.env['PLUGFERRY_TEST_FAULT'] ?? 'null');
if (order !== null) {
  await watchFileSystem(({ change }) => {
    if (change === undefined) return;
    if (change === order.kill) process.kill(process.pid, 'SIGKILL');
    if (change === order.stop) process.kill(process.pid, 'SIGSTOP');
  });
}
