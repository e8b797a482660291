import { spawn, spawnSync } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { boxes, runScript, unpackBox } from '../helpers/toolbox.js';
import { get } from '../helpers/http.js';
import { expectNoSecret, secret } from '../helpers/secrets.js';
import { hasSshd, startSshd } from '../helpers/sshd.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';

const oneFile = join(import.meta.dirname, '../../dist/plugferry.mjs');

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory with the tool and nothing else, and no program in PATH. */
interface Site {
  readonly directory: string;
  run(line: string): Run;
}

const environment = (directory: string): Record<string, string> => ({ PATH: directory, HOME: directory });

async function site(tool = oneFile): Promise<Site> {
  const directory = await tempDir();
  await copyFile(tool, join(directory, 'plugferry.mjs'));
  const run = (line: string): Run => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['plugferry.mjs', ...line.split(' ')], {
      cwd: directory,
      env: environment(directory),
      encoding: 'utf8',
    });
    expectNoSecret(stdout + stderr, line);
    return { code: status, stdout, stderr };
  };
  return { directory, run };
}

function expectDone(there: Site, ...lines: string[]): void {
  for (const line of lines) {
    const { code, stderr } = there.run(line);
    expect([line, code, code === 0 ? '' : stderr]).toEqual([line, 0, '']);
  }
}

async function putPlugin(directory: string, id: string, seed: string): Promise<void> {
  const path = join(directory, 'plugins', ...id.split('@'));
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'plugin.wasm'), tinyModule(seed, 600_000));
}

/** Starts `serve`, asks for one path, and ends it. */
async function fetched(there: Site, volume: string, path: string): Promise<{ status: number; body: Buffer }> {
  const child = spawn(process.execPath, ['plugferry.mjs', 'serve', volume, '--port', '0'], {
    cwd: there.directory,
    env: environment(there.directory),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  try {
    for await (const line of createInterface({ input: child.stderr })) {
      const url = /http:\/\/[^/ ]+/.exec(line)?.[0];
      if (url !== undefined) return await get(url, path);
    }
    throw new Error('serve ended');
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

test('the whole journey from dev to prod works with nothing but the one file', async () => {
  const dev = await site();
  await writeFile(join(dev.directory, 'dev.pass'), `${secret('four words of yours')}\n`, { mode: 0o600 });
  await putPlugin(dev.directory, 'waf@1.0.0', 'waf');
  await putPlugin(dev.directory, 'key-auth@1.0.0', 'key-auth');
  const key = '--signing-key dev.key --passphrase-file dev.pass';
  await mkdir(join(dev.directory, 'usb'));
  expectDone(
    dev,
    'keygen dev --passphrase-file dev.pass',
    `export plugins -o edge.tar.gz --set edge --sequence 1 ${key}`,
    'inspect edge.tar.gz',
    'verify edge.tar.gz --public-key dev.pub --gateway-profile higress',
    'convert edge.tar.gz -o edge.zip',
    'verify edge.zip --public-key dev.pub',
    'split edge.tar.gz --split-size 1M --parity 100%',
    `export plugins -o usb/edge-2.tar.gz --with-tool --set edge --sequence 2 --plugin waf ${key}`,
  );

  // qa has what came on the stick, and makes a key of its own.
  const qa = await site(join(dev.directory, 'usb/plugferry.mjs'));
  await writeFile(join(qa.directory, 'qa.pass'), `${secret('four other words of yours')}\n`, {
    mode: 0o600,
  });
  for (const name of ['edge.tar.gz', 'dev.pub'])
    await copyFile(join(dev.directory, name), join(qa.directory, name));
  expectDone(
    qa,
    'keygen qa --passphrase-file qa.pass',
    'sign edge.tar.gz --signing-key qa.key --passphrase-file qa.pass --public-key dev.pub',
    'trust init ./trust',
    'trust add ./trust dev.pub --name dev --role dev --not-after 2096-12-31',
    'trust add ./trust qa.pub --name qa --role qa --not-after 2096-12-31',
    'trust set ./trust edge --require dev=1,qa=1',
    'verify edge.tar.gz --trust ./trust',
  );

  const prod = await site();
  await copyFile(join(qa.directory, 'edge.tar.gz'), join(prod.directory, 'edge.tar.gz'));
  for (const name of ['dev.pub', 'usb/edge-2.tar.gz'])
    await copyFile(join(dev.directory, name), join(prod.directory, name.replace('usb/', '')));
  for (const name of (await readdir(dev.directory)).filter((each) => each.includes('.part')))
    await copyFile(join(dev.directory, name), join(prod.directory, name));
  // The first part did not make it; repairing takes worker threads.
  await rm(join(prod.directory, 'edge.tar.gz.part001'));
  expectDone(
    prod,
    'import edge.tar.gz.part002 edge.tar.gz.part003 edge.tar.gz.part004 --to volume --public-key dev.pub',
    'join edge.tar.gz.part002 edge.tar.gz.part003 edge.tar.gz.part004 -o joined.tar.gz',
    'diff volume edge-2.tar.gz',
    'import edge-2.tar.gz --to volume --public-key dev.pub --mode replace',
    'list volume',
    'history volume',
    'rollback volume',
    'receipt volume',
    'verify volume',
  );
  expect(await readFile(join(prod.directory, 'joined.tar.gz'))).toEqual(
    await readFile(join(dev.directory, 'edge.tar.gz')),
  );
  const answer = await fetched(prod, 'volume', '/plugins/key-auth/1.0.0/plugin.wasm');
  expect(answer.status).toBe(200);
  expect(answer.body.equals(tinyModule('key-auth', 600_000))).toBe(true);
});

describe('the one file', () => {
  test.skipIf(!hasSshd)('speaks SSH without the native code that ssh2 looks for', async () => {
    const there = await site();
    await writeFile(join(there.directory, 'dev.pass'), `${secret('four words of yours')}\n`, { mode: 0o600 });
    await putPlugin(there.directory, 'waf@1.0.0', 'waf');
    const sshd = await startSshd();
    const volume = sshd.url(join(there.directory, 'remote'));
    const login = `--host-key ${sshd.fingerprint} --identity ${sshd.identity}`;
    expectDone(
      there,
      'keygen dev --passphrase-file dev.pass',
      'export plugins -o edge.tar.gz --signing-key dev.key --passphrase-file dev.pass',
      `import edge.tar.gz --to ${volume} --public-key dev.pub ${login}`,
      `history ${volume} ${login}`,
    );
    const sent = await readFile(join(there.directory, 'remote/plugins/waf/1.0.0/plugin.wasm'));
    expect(sent.equals(tinyModule('waf', 600_000))).toBe(true);
  });

  test('has the licence of every package in it, at its end and beside it, and no path of this machine', async () => {
    const text = await readFile(oneFile, 'utf8');
    const licenses = await readFile(oneFile.replace('.mjs', '.licenses.txt'), 'utf8');
    for (const name of ['plugferry', 'yargs', 'tar-stream', 'archiver', '@noble/curves', 'node-fetch'])
      expect(licenses).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
    expect(licenses).toContain('Apache License');
    expect(text.split('\n').slice(0, 2)).toEqual([
      '#!/usr/bin/env node',
      expect.stringMatching(
        /^\/\/ plugferry \d+\.\d+\.\d+, Apache-2\.0, for Node >=20\.19; licences at the end$/,
      ),
    ]);
    const end = text.slice(text.lastIndexOf('// ---- licences'));
    const comments = end.split('\n').slice(1);
    expect(comments.filter((line) => line !== '' && !line.startsWith('//'))).toEqual([]);
    const atEnd = comments.map((line) => line.replace(/^\/\/ ?/, '')).join('\n');
    expect(atEnd === licenses.replaceAll(/[ \t]+$/gm, '')).toBe(true);
    expect(text.includes(join(import.meta.dirname, '../..'))).toBe(false);
    expect(text.includes('node_modules/')).toBe(false);
  });
});

describe('export --with-tool', () => {
  test('puts the program, its licences, the script and signed digests beside the bundle', async () => {
    const there = await site();
    await writeFile(join(there.directory, 'dev.pass'), `${secret('four words of yours')}\n`, { mode: 0o600 });
    await putPlugin(there.directory, 'waf@1.0.0', 'waf');
    await mkdir(join(there.directory, 'usb'));
    const key = '--signing-key dev.key --passphrase-file dev.pass';
    expectDone(there, 'keygen dev --passphrase-file dev.pass');
    const run = there.run(`export plugins -o usb/edge.tar.gz --with-tool ${key} --json`);
    expect(run.code).toBe(0);
    const usb = join(there.directory, 'usb');
    const { tool } = JSON.parse(run.stdout) as { tool: { file: string; size: number; sha256: string }[] };
    expect((await readdir(usb)).sort()).toEqual(
      [
        'VERIFY.txt',
        'edge.tar.gz',
        'edge.tar.gz.sha256',
        'edge.tar.gz.sha256.sig',
        'install.sh',
        'plugferry.licenses.txt',
        'plugferry.mjs',
        'plugferry.sha256',
        'plugferry.sha256.sig',
      ].sort(),
    );
    for (const { file, size, sha256 } of tool) {
      const bytes = await readFile(join(there.directory, file));
      expect([file, bytes.length, sha256Of(bytes)]).toEqual([file, size, sha256]);
    }
    expect((await readFile(join(usb, 'plugferry.mjs'))).equals(await readFile(oneFile))).toBe(true);

    // A second bundle shares what is there; what is there with other bytes is not replaced.
    expectDone(there, `export plugins -o usb/more.tar.gz --with-tool ${key}`);
    await writeFile(join(usb, 'install.sh'), 'mine');
    const refused = there.run(`export plugins -o usb/third.tar.gz --with-tool ${key}`);
    expect(refused.code).toBe(6);
    expect(refused.stderr).toContain('install.sh');
    expect(await readdir(usb)).not.toContain('third.tar.gz');
    expect(await readFile(join(usb, 'install.sh'), 'utf8')).toBe('mine');
    expectDone(there, `export plugins -o usb/third.tar.gz --with-tool --force ${key}`);
  });

  const [box] = boxes;
  test.skipIf(box === undefined)('what VERIFY.txt says works where there is no Node', async () => {
    const there = await site();
    await writeFile(join(there.directory, 'dev.pass'), `${secret('four words of yours')}\n`, { mode: 0o600 });
    await putPlugin(there.directory, 'waf@1.0.0', 'waf');
    await mkdir(join(there.directory, 'usb'));
    const key = '--signing-key dev.key --passphrase-file dev.pass';
    for (const [algorithm, line] of [
      ['ecdsa-p256', 'openssl dgst'],
      ['ed25519', 'openssl pkeyutl'],
    ] as const) {
      expectDone(
        there,
        `keygen ${algorithm} --algorithm ${algorithm} --passphrase-file dev.pass`,
        `export plugins -o usb/BUNDLE.tar.gz --with-tool --force ${key.replace('dev.key', `${algorithm}.key`)}`,
      );
      const receiver = await tempDir();
      const path = await unpackBox(box!, join(receiver, 'box'));
      const here = join(receiver, 'usb');
      await mkdir(here);
      for (const name of await readdir(join(there.directory, 'usb')))
        await copyFile(join(there.directory, 'usb', name), join(here, name));
      await copyFile(join(there.directory, `${algorithm}.pub`), join(here, 'dev.pub'));
      const text = await readFile(join(here, 'VERIFY.txt'), 'utf8');
      const commands = text
        .split('\n')
        .filter((each) => each.startsWith(`    ${line} `) || /^ {4}(sha256sum|sh) /.test(each));
      // Those of the program, of install.sh, and of stock tools; the README runs tar.
      expect(commands.map((each) => each.trim().split(' ').slice(0, 2).join(' '))).toEqual([
        line,
        'sha256sum -c',
        'sh install.sh',
        ...(algorithm === 'ecdsa-p256' ? [line] : []),
        'sha256sum -c',
      ]);
      for (const command of commands) {
        const run = runScript(box!, ['-c', command.trim()], { path, cwd: here });
        expect([command, run.code, run.code === 0 ? '' : run.stderr]).toEqual([command, 0, '']);
      }
      const unpacked = await treeOf(join(here, 'unpacked/plugins'));
      expect(unpacked.get('waf/1.0.0/plugin.wasm') === tinyModule('waf', 600_000).toString('latin1')).toBe(
        true,
      );
      // A tool that was tampered with does not pass the first step.
      await writeFile(join(here, 'plugferry.mjs'), 'process.exit(0)');
      expect(runScript(box!, ['-c', 'sha256sum -c plugferry.sha256'], { path, cwd: here }).code).toBe(1);
    }
  });
});
