import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { cli } from '../helpers/cli.js';
import { tempDir } from '../helpers/temp.js';
import { oneOfEach, putStore, testKeys } from '../helpers/trust.js';

/** Loaded before the program: whoever asks for the network from now on ends the process, and says so. */
const wall = `
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { writeSync } from 'node:fs';
const load = createRequire(import.meta.url);
const refuse = (what) => () => {
  writeSync(2, 'NETWORK ' + what + '\\n');
  process.exit(99);
};
load('net').Socket.prototype.connect = refuse('connect');
load('dgram').createSocket = refuse('datagram');
for (const dns of [load('dns'), load('dns').promises]) {
  for (const name of Object.keys(dns)) if (typeof dns[name] === 'function' && /^(lookup|resolve|reverse)/.test(name)) dns[name] = refuse('dns');
}
syncBuiltinESMExports();
`;

test('checking, countersigning and importing open no socket and ask no name server', async () => {
  const directory = await tempDir();
  const { dev, qa } = await testKeys('dev', 'qa');
  await putStore(join(directory, 'trust'), {
    keys: [
      { key: dev, role: 'dev' },
      { key: qa, role: 'qa' },
    ],
    sets: { edge: oneOfEach('dev', 'qa') },
  });
  await dev.writeTo(directory);
  await qa.writeTo(directory);
  await put(directory, 'edge.tar.gz', tarGz(bundleParts([dev]).entries));
  const wallFile = await put(directory, 'wall.mjs', Buffer.from(wall));
  const node = ['--import', pathToFileURL(wallFile).href];
  const run = async (...args: string[]) => {
    const { code, stderr } = await cli(args, { cwd: directory, node });
    expect(stderr).not.toContain('NETWORK');
    return code;
  };
  expect(await run('verify', 'edge.tar.gz', '--public-key', 'dev.pub')).toBe(0);
  expect(await run('verify', 'edge.tar.gz', '--trust', 'trust')).toBe(4);
  const sigstore = ['--sigstore', 'edge.sigstore.json'];
  const key = ['--signing-key', 'qa.key', '--allow-plain-key'];
  expect(await run('sign', 'edge.tar.gz', ...key, '--trust', 'trust', ...sigstore)).toBe(0);
  expect(await run('import', 'edge.tar.gz', '--to', 'volume', '--trust', 'trust')).toBe(0);
  for (const attempt of [
    "require('net').connect(9)",
    "require('http').get('http://127.0.0.1:9')",
    "fetch('http://127.0.0.1:40009')",
    "require('dns').lookup('localhost', () => 0)",
  ]) {
    expect(spawnSync(process.execPath, [...node, '-e', attempt]).status, attempt).toBe(99);
  }
});
