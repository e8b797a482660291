/**
 * Plugferry beside the same work done by hand with stock tools, in turns on this machine: only the ratios carry.
 *
 *     npm run bench [-- --runs N] [-- --tree DIR]
 *     npm run bench -- --volume    what a large volume takes to change (volume.mjs)
 *     npm run bench -- --pull      a large file over HTTP, beside curl (pull.mjs)
 *     npm run bench -- --sftp      a large file over SSH, beside OpenSSH's sftp (sftp.mjs)
 *
 * The default tree holds the real modules among the development dependencies, each under two versions, one of them equal.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { benchPull } from './pull.mjs';
import { benchSftp } from './sftp.mjs';
import { benchVolume } from './volume.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    tree: { type: 'string' },
    volume: { type: 'boolean', default: false },
    sftp: { type: 'boolean', default: false },
    pull: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const plugferry = join(import.meta.dirname, '../../bin/plugferry.js');
const work = mkdtempSync(join(tmpdir(), 'plugferry-bench-'));
const env = { ...process.env, PLUGFERRY_KEY_PASSPHRASE: 'four words of yours' };

const sh = (script) =>
  execFileSync('sh', ['-e', '-c', script], { cwd: work, env, stdio: ['ignore', 'ignore', 'pipe'] });
const tool = (...args) =>
  execFileSync(process.execPath, [plugferry, ...args, '-q'], {
    cwd: work,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });

function makeTree() {
  const { resolve: find } = createRequire(import.meta.url);
  const modules = {
    'sql-js': find('sql.js/dist/sql-wasm.wasm'),
    resvg: find('@resvg/resvg-wasm/index_bg.wasm'),
    esbuild: find('esbuild-wasm/esbuild.wasm'),
  };
  for (const [name, file] of Object.entries(modules)) {
    for (const version of ['1.0.0', '2.0.0']) {
      mkdirSync(join(work, 'plugins', name, version), { recursive: true });
      cpSync(file, join(work, 'plugins', name, version, 'plugin.wasm'));
    }
  }
}

/** Megabytes of modules in the tree. */
function treeSize() {
  const files = readdirSync(join(work, 'plugins'), { recursive: true }).map((file) =>
    join(work, 'plugins', file),
  );
  return files.reduce((sum, file) => sum + (statSync(file).isFile() ? statSync(file).size : 0), 0) / 1e6;
}

/** One measured run: seconds on the clock. */
function seconds(action) {
  const began = performance.now();
  action();
  return (performance.now() - began) / 1000;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Runs both in turns and prints how many times faster ours is. */
function compare(title, byHand, ours) {
  const pairs = Array.from({ length: runs }, () => [seconds(byHand), seconds(ours)]);
  const ratio = median(pairs.map(([hand, our]) => hand / our));
  const [hand, our] = [0, 1].map((side) => median(pairs.map((pair) => pair[side])));
  console.log(
    `${title.padEnd(28)} by hand ${hand.toFixed(2)} s  plugferry ${our.toFixed(2)} s  ratio ${ratio.toFixed(2)}`,
  );
}

if (values.pull) {
  await benchPull(runs);
  process.exit();
}

if (values.sftp) {
  await benchSftp(runs);
  process.exit();
}

if (values.volume) {
  benchVolume();
  process.exit();
}

try {
  if (values.tree === undefined) makeTree();
  else cpSync(resolve(values.tree), join(work, 'plugins'), { recursive: true });
  sh(
    'openssl ecparam -name prime256v1 -genkey -noout -out hand.key && openssl ec -in hand.key -pubout -out hand.pub',
  );
  tool('keygen', 'dev');
  console.log(
    `${treeSize().toFixed(0)} MB of modules, ${runs} runs in turns, medians; a ratio above 1 is in favour of plugferry`,
  );
  compare(
    'pack (hash, sign, compress)',
    () =>
      sh(`find plugins -type f | sort | xargs md5sum > checksums.md5
          find plugins -type f | sort | xargs sha256sum > checksums.sha256
          openssl dgst -sha256 -sign hand.key -out checksums.sig checksums.sha256
          tar cf - checksums.* plugins | gzip -6 > hand.tar.gz`),
    () => tool('export', 'plugins', '-o', 'ours.tar.gz', '--force', '--signing-key', 'dev.key'),
  );
  const [hand, ours] = ['hand', 'ours'].map((name) => statSync(join(work, `${name}.tar.gz`)).size / 1e6);
  console.log(
    `${'size'.padEnd(28)} by hand ${hand.toFixed(1)} MB  plugferry ${ours.toFixed(1)} MB  ratio ${(hand / ours).toFixed(2)}`,
  );
  compare(
    'verify and unpack',
    () =>
      sh(`rm -rf hand && mkdir hand && cd hand && tar xzf ../hand.tar.gz
          openssl dgst -sha256 -verify ../hand.pub -signature checksums.sig checksums.sha256
          md5sum -c checksums.md5 && sha256sum -c checksums.sha256 && sync`),
    () => {
      rmSync(join(work, 'volume'), { recursive: true, force: true });
      tool('import', 'ours.tar.gz', '--to', 'volume', '--public-key', 'dev.pub');
    },
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
