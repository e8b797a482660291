import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { exitMeanings } from '../../src/cli/exit-codes.js';
import { makeCertificates } from '../helpers/certificates.js';
import { cli, binary } from '../helpers/cli.js';
import { freePort, get } from '../helpers/http.js';
import { expectNoSecret, secret, secretKey } from '../helpers/secrets.js';
import { startServe, type ServeProcess } from '../helpers/server.js';
import { hasSshd, startSshd } from '../helpers/sshd.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule } from '../helpers/wasm.js';
import { wasmPlugin } from '../helpers/wasm-plugin.js';

const root = join(import.meta.dirname, '../..');
const readme = await readFile(join(root, 'README.md'), 'utf8');
const run = promisify(execFile);

/** The lines of all `sh` blocks, in order. */
const commandLines = [...readme.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) =>
  (block ?? '').trim().split('\n'),
);

/** The files that `yaml` blocks show, each with its name in the first line. */
const yamlFiles = [...readme.matchAll(/^```yaml\n# (\S+)\n(.*?)^```$/gms)].map(
  ([, name = '', text = '']) => [name, text] as const,
);

const devResource = `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: {name: key-auth, namespace: higress-system}
spec:
  url: oci://registry.example/plugins/key-auth:1.0.0
  defaultConfig: {consumers: [{name: ada, credential: ${secret('a secret of dev')}}]}
`;

/** The rows of all tables, cells trimmed. */
const rows = readme
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

/** A web server for the files of a directory, whose certificate `intranet.pem` there vouches for. */
async function startFiles(directory: string): Promise<string> {
  const certificates = await makeCertificates(await tempDir());
  await copyFile(certificates.authority, join(directory, 'intranet.pem'));
  const [cert, key] = await Promise.all([readFile(certificates.server), readFile(certificates.serverKey)]);
  const server = createServer({ cert, key }, (request, response) => {
    void readFile(join(directory, basename(request.url ?? ''))).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('README', () => {
  test('every command line works, in the order in which it stands', { timeout: 600_000 }, async () => {
    const directory = await tempDir();
    await mkdir(join(directory, 'bin'));
    await writeFile(
      join(directory, 'bin/plugferry'),
      `#!/bin/sh\nexec '${process.execPath}' '${binary}' "$@"\n`,
    );
    await chmod(join(directory, 'bin/plugferry'), 0o755);
    await writeFile(join(directory, 'dev.pass'), `${secret('four words of yours')}\n`, { mode: 0o600 });
    await writeFile(join(directory, 'qa.pass'), `${secret('four other words of yours')}\n`, { mode: 0o600 });
    await run('openssl', [
      'ecparam',
      '-name',
      'prime256v1',
      '-genkey',
      '-noout',
      '-out',
      join(directory, 'hsm.key'),
    ]);
    secretKey(await readFile(join(directory, 'hsm.key'), 'utf8'));
    await run('openssl', [
      'ec',
      '-in',
      join(directory, 'hsm.key'),
      '-pubout',
      '-out',
      join(directory, 'hsm.pub'),
    ]);
    await mkdir(join(directory, 'build'));
    await writeFile(join(directory, 'build/main.wasm'), tinyModule('w'));
    for (const [name, text] of yamlFiles) await writeFile(join(directory, name), text);
    await mkdir(join(directory, 'wasmplugins'));
    await writeFile(join(directory, 'wasmplugins/key-auth.yaml'), devResource);
    await tinyTree(join(directory, 'next'), { 'hello-header@1.1.0': 'd', 'key-auth@1.0.0': 'c' });
    await tinyTree(directory, { 'hello-header@1.0.0': 'a', 'key-auth@0.9.0': 'b', 'key-auth@1.0.0': 'c' });
    const sshd = hasSshd ? await startSshd() : undefined;
    if (sshd !== undefined) {
      await copyFile(sshd.identity, join(directory, 'deploy.key'));
      await mkdir(join(directory, '.ssh'));
      await copyFile(sshd.identity, join(directory, '.ssh/id_ed25519'));
      await copyFile(sshd.knownHosts, join(directory, '.ssh/known_hosts'));
    }
    await mkdir(join(directory, 'in'));
    const files = await startFiles(directory);
    await writeFile(join(directory, 'wasmplugins.yaml'), wasmPlugin('key-auth', '1.0.1'));
    const port = String(await freePort());
    await writeFile(
      join(directory, 'plugins.properties'),
      `key-auth=http://127.0.0.1:${port}/plugins/key-auth/1.0.0/plugin.wasm\n`,
    );
    // There is no cluster here.
    await writeFile(join(directory, 'kubectl.yaml'), wasmPlugin('key-auth', '1.0.0'));
    await writeFile(join(directory, 'bin/kubectl'), `#!/bin/sh\nexec cat '${directory}/kubectl.yaml'\n`);
    await chmod(join(directory, 'bin/kubectl'), 0o755);
    const volume = join(directory, 'volume');
    const yaml = /^```yaml\n((?!# )\S.*?)^```$/ms.exec(readme)?.[1] ?? '';
    await writeFile(join(directory, 'plugferry.yaml'), yaml.replaceAll('/srv/plugin-server', volume));
    let cwd = directory;
    let server: ServeProcess | undefined;
    try {
      for (const printed of commandLines) {
        if (sshd === undefined && printed.includes('sftp://')) continue;
        const line = printed
          .replaceAll('/srv/plugin-server', volume)
          .replaceAll('sftp://deploy@prod.example/srv', sshd?.url(directory) ?? '')
          .replaceAll('sftp://carrier@jump.example', sshd?.url(directory) ?? '')
          .replaceAll('https://files.example', files)
          .replaceAll('<digest>', "$(sha256sum edge.tar.gz | cut -d ' ' -f 1)")
          .replaceAll('8080', port);
        if (line.startsWith('plugferry serve ')) {
          server = await startServe(volume, line.split(' ').slice(3));
          continue;
        }
        const env = { PATH: `${join(directory, 'bin')}:${process.env['PATH'] ?? ''}`, HOME: directory };
        const { stdout, stderr } = await run('bash', ['-e', '-c', line], {
          cwd,
          env,
          shell: false,
        }).catch((error: unknown) => {
          throw new Error(`${printed}\n${String(error)}`);
        });
        expectNoSecret(stdout + stderr, line);
        if (line.includes(' -verify ')) expect(stdout).toBe('Verified OK\n');
        if (line.includes(' && cd ')) cwd = join(cwd, line.split(' && cd ')[1] ?? '');
      }
      expect(commandLines.length).toBeGreaterThan(10);
      expect(server).toBeDefined();
    } finally {
      await server?.stop();
    }
  });

  test('its table of URLs is what a server answers', async () => {
    const directory = await tempDir();
    const tree = await tinyTree(directory, { 'waf@1.0.0': 'a' });
    await writeFile(join(tree, 'waf/1.0.0/metadata.txt'), 'Plugin Name: waf\n');
    const server = await startServe(tree);
    try {
      const table = rows.flatMap(([cell]) => (cell?.startsWith('`/') === true ? cell.split(', ') : []));
      expect(table.length).toBeGreaterThan(7);
      for (const cell of table) {
        const path = cell.replaceAll('`', '').replace('<name>', 'waf').replace('<version>', '1.0.0');
        expect([path, (await get(server.url, path)).status]).toEqual([path, 200]);
      }
    } finally {
      await server.stop();
    }
  });

  test('its table of exit codes is the one of the program', () => {
    const printed = Object.fromEntries(rows.filter(([code]) => /^\d+$/.test(code ?? '')));
    expect(printed).toEqual(exitMeanings);
  });
});

test(
  'the quickstart does what the README says, and leaves nothing behind',
  { timeout: 600_000 },
  async () => {
    const directory = await tempDir();
    const { stdout, stderr } = await run(process.execPath, [join(root, 'examples/quickstart.mjs')], {
      env: { PATH: process.env['PATH'], TMPDIR: directory },
    });
    secret('four words of yours');
    expectNoSecret(stdout + stderr, 'the quickstart');
    for (const verb of ['keygen', 'export', 'inspect', 'verify', 'import', 'list', 'serve']) {
      expect(stdout).toContain(`$ plugferry ${verb} `);
    }
    expect(stdout).toMatch(/have MD5 [0-9a-f]{32}: the same/);
    expect(await (await import('node:fs/promises')).readdir(directory)).toEqual([]);
    expect(await cli(['--version'])).toMatchObject({ code: 0 });
  },
);
