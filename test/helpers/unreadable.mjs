/**
 * For `node --import`: every read of one file, or look into one directory, fails with an error of the system, as on a medium that
 * wears out. `PLUGFERRY_TEST_UNREADABLE` is `{"path": ..., "code": ...}`; a file can still be opened.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { resolve } from 'node:path';

const require = createRequire(import.meta.url);
const fs = require('node:fs');
const promises = require('node:fs/promises');
const { path: target, code } = JSON.parse(process.env['PLUGFERRY_TEST_UNREADABLE']);

const isTarget = (path) => typeof path === 'string' && resolve(path) === target;
const failure = (syscall) =>
  Object.assign(new Error(`${code}: injected, ${syscall}`), { errno: -5, code, syscall });

const { open, readFile, readdir } = promises;
promises.open = async (...args) => {
  const handle = await open(...args);
  if (isTarget(args[0])) {
    for (const name of ['read', 'readFile', 'readv'])
      handle[name] = async () => {
        throw failure('read');
      };
  }
  return handle;
};
promises.readFile = async (...args) => {
  if (isTarget(args[0])) throw failure('read');
  return readFile(...args);
};
promises.readdir = async (...args) => {
  if (isTarget(args[0])) throw failure('scandir');
  return readdir(...args);
};
const descriptors = new Set();
const { open: openFile, read } = fs;
fs.open = (path, ...rest) => {
  const done = rest.pop();
  openFile(path, ...rest, (error, descriptor) => {
    if (isTarget(path) && descriptor !== undefined) descriptors.add(descriptor);
    done(error, descriptor);
  });
};
fs.read = (descriptor, ...rest) => {
  if (descriptors.has(descriptor)) process.nextTick(rest.at(-1), failure('read'));
  else read(descriptor, ...rest);
};
syncBuiltinESMExports();
