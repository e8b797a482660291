/**
 * The whole journey of a plugin set, with the real program: every command is printed before it runs.
 * Everything happens in a temporary directory, which is removed at the end.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const plugferry = join(import.meta.dirname, '../bin/plugferry.js');
const directory = mkdtempSync(join(tmpdir(), 'plugferry-quickstart-'));
const environment = { ...process.env, PLUGFERRY_KEY_PASSPHRASE: undefined };

const title = (text) => console.log(`\n# ${text}`);

function run(...args) {
  console.log(`$ plugferry ${args.join(' ')}`);
  execFileSync(process.execPath, [plugferry, ...args], {
    cwd: directory,
    env: environment,
    stdio: 'inherit',
  });
}

async function download(url) {
  console.log(`$ curl ${url}`);
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

try {
  title('Two proxy-wasm plugins, compiled from examples/plugins, in the layout of a plugin server');
  execFileSync(process.execPath, [
    join(import.meta.dirname, 'plugins/build.mjs'),
    join(directory, 'plugins'),
  ]);
  run('list', 'plugins');

  title('dev: a key pair; the passphrase comes from a file here, and from a prompt when you do it');
  writeFileSync(join(directory, 'dev.pass'), 'four words of yours\n', { mode: 0o600 });
  run('keygen', 'dev', '--passphrase-file', 'dev.pass');

  title('dev: pack everything into one signed file');
  run(
    'export',
    'plugins',
    '-o',
    'edge.tar.gz',
    '--set',
    'edge',
    '--signing-key',
    'dev.key',
    '--passphrase-file',
    'dev.pass',
  );

  title('on the way: look at it (nothing is verified), then check the signature and every byte');
  run('inspect', 'edge.tar.gz');
  run('verify', 'edge.tar.gz', '--public-key', 'dev.pub');

  title('prod: verify and unpack into a volume, all or nothing');
  run('import', 'edge.tar.gz', '--to', 'volume', '--public-key', 'dev.pub');
  run('list', 'volume');

  title('prod: serve it at the URLs of higress-plugin-server');
  console.log('$ plugferry serve volume --port 0');
  const server = spawn(process.execPath, [plugferry, 'serve', 'volume', '--port', '0'], {
    cwd: directory,
    env: environment,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const stopped = once(server, 'exit');
  try {
    let address;
    for await (const line of createInterface({ input: server.stderr })) {
      console.log(line);
      address = /http:\/\/[^/ ]+/.exec(line)?.[0];
      if (address !== undefined) break;
    }
    if (address === undefined) throw new Error('the server did not start');
    server.stderr.resume();

    title('the gateway: fetch a plugin by its URL, and compare it with its metadata.txt');
    const base = `${address}/plugins/hello-header/1.0.0`;
    const module = await download(`${base}/plugin.wasm`);
    const metadata = (await download(`${base}/metadata.txt`)).toString();
    console.log(metadata.trimEnd());
    const md5 = createHash('md5').update(module).digest('hex');
    if (!metadata.includes(`MD5: ${md5}\n`))
      throw new Error(`the module has MD5 ${md5}, metadata.txt says otherwise`);
    console.log(`the ${module.length} bytes that were fetched have MD5 ${md5}: the same`);
  } finally {
    server.kill('SIGTERM');
    await stopped;
  }

  title('Done. That was: keygen, export, inspect, verify, import, list, serve.');
} finally {
  rmSync(directory, { recursive: true, force: true });
}
