/**
 * How long a volume of 100 plugins, 500 MB takes to change, by the real commands, and what that costs in disk space.
 *
 *     npm run bench -- --volume
 */
import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const plugferry = join(import.meta.dirname, '../../bin/plugferry.js');
const plugins = 100;
const bytesEach = 5_000_000;

/** A module with a custom section of bytes that do not compress and are the same for the same seed. */
function moduleOf(seed) {
  const key = Buffer.alloc(32, `key of ${seed}`);
  const noise = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytesEach));
  const content = Buffer.concat([Buffer.from([5]), Buffer.from('noise'), noise]);
  // The size in LEB128, in four bytes.
  const size = [0, 7, 14, 21].map((shift) => ((content.length >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0));
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x00, ...size];
  return Buffer.concat([Buffer.from(header), content]);
}

function makeTree(tree, changed) {
  for (let number = 0; number < plugins; number += 1) {
    const directory = join(tree, `plugin-${number}`, '1.0.0');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'plugin.wasm'), moduleOf(number < changed ? `${number} new` : `${number}`));
  }
}

/** Prints time and disk use of each command on the volume. */
export function benchVolume() {
  const work = mkdtempSync(join(process.env.PLUGFERRY_BENCH_DIR ?? tmpdir(), 'plugferry-bench-'));
  const env = { ...process.env, PLUGFERRY_KEY_PASSPHRASE: 'four words of yours' };
  const run = (...args) =>
    execFileSync(process.execPath, [plugferry, ...args, '-q'], {
      cwd: work,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  /** Kilobytes on disk; a file with several names counts once. */
  const used = () => Number(execFileSync('du', ['-sk', 'volume'], { cwd: work }).toString().split('\t')[0]);
  const step = (title, ...args) => {
    const before = used();
    const began = performance.now();
    run(...args);
    const seconds = (performance.now() - began) / 1000;
    const more = (used() - before) / 1000;
    console.log(
      `${title.padEnd(44)} ${seconds.toFixed(2).padStart(6)} s  ${more.toFixed(1).padStart(7)} MB more`,
    );
  };
  try {
    makeTree(join(work, 'one'), 0);
    makeTree(join(work, 'two'), 10);
    mkdirSync(join(work, 'volume'));
    run('keygen', 'dev');
    for (const [tree, sequence] of [
      ['one', '1'],
      ['two', '2'],
    ]) {
      const key = ['--signing-key', 'dev.key'];
      run('export', tree, '-o', `${tree}.tar.gz`, '--set', 'edge', '--sequence', sequence, ...key);
    }
    const bring = (bundle) => [
      'import',
      bundle,
      '--to',
      'volume',
      '--public-key',
      'dev.pub',
      '--allow-overwrite',
    ];
    console.log(
      `${plugins} plugins, ${(plugins * bytesEach) / 1e6} MB; each line is one start of the program`,
    );
    step('import into an empty volume', ...bring('one.tar.gz'));
    step('import an upgrade of 10 plugins', ...bring('two.tar.gz'));
    step('import again what is there', ...bring('two.tar.gz'));
    step('roll back', 'rollback', 'volume');
    step('verify every byte', 'verify', 'volume');
    step('prune to one release', 'prune', 'volume', '--keep', '1');
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
