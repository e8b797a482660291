import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { Server as WebServer, createServer, type RequestListener } from 'node:http';
import { createServer as createListener, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { finished, start, type CliOptions, type Started } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { startLyingServer } from '../helpers/ssh-server.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

/** A wait that nothing but a signal ends. */
interface Wait {
  readonly args: readonly string[];
  readonly options?: CliOptions;
  /** Resolves when the program waits, or is about to. */
  readonly reached: (child: Started) => Promise<unknown>;
}

/** A bundle of more bytes than any pipe holds. */
const bundle = await (async (): Promise<Buffer> => {
  const top = await mkdtemp(join(tmpdir(), 'plugferry-test-'));
  try {
    const source = await tinyTree(top, { 'waf@1.0.0': randomBytes(1024 * 1024).toString('base64') });
    const output = join(top, 'set.tar.gz');
    await exportBundle({ source, output, signer: await testKey('dev'), sequence: 1 });
    return await readFile(output);
  } finally {
    await rm(top, { recursive: true });
  }
})();

/** Has the program say that it listens to signals: what it does next must end by them, whenever they come. */
const saysThatItListens = [
  '--import',
  `data:text/javascript,${encodeURIComponent(
    `process.on('newListener', (name) => name === 'SIGTERM' && process.stderr.write('it listens\\n'))`,
  )}`,
];

const said = (child: Started, text: string): Promise<void> =>
  new Promise((resolve) => {
    child.stderr?.on('data', () => {
      if (child.printed.stderr.includes(text)) resolve();
    });
  });

/** Writes more than any pipe holds: some of it was read when all of it is written. */
const written = (child: Started, bytes: Buffer): Promise<void> =>
  new Promise((resolve) => {
    child.stdin?.write(bytes, () => {
      resolve();
    });
  });

async function listening<S extends Server>(server: S): Promise<{ server: S; port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    if (server instanceof WebServer) server.closeAllConnections();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

/** A web server, its port, and a promise of when it has done what it does. */
async function web(
  answer: RequestListener = () => undefined,
): Promise<{ port: number; asked: Promise<unknown> }> {
  const { promise: asked, resolve: tell } = deferred();
  const { port } = await listening(
    createServer((request, response) => {
      answer(request, response);
      tell();
    }),
  );
  return { port, asked };
}

const signing = ['--signing-key', 'dev.key', '--allow-plain-key'];
const skip = '--insecure-skip-signature';

const waits: Readonly<Record<string, (directory: string) => Promise<Wait>>> = {
  'a web server that never answers': async () => {
    const { port, asked } = await web();
    return { args: ['verify', `http://127.0.0.1:${port}/a.tar.gz`, skip], reached: () => asked };
  },
  'a web server that stops in the middle of a body': async () => {
    const { port, asked } = await web((_, response) => {
      response.writeHead(200, { 'Content-Length': bundle.length }).write(bundle.subarray(0, 800_000));
    });
    const args = ['import', `http://127.0.0.1:${port}/a.tar.gz`, '--to', 'volume', skip];
    return { args, reached: () => asked };
  },
  'the time until a request is made again': async () => {
    const { port, asked } = await web((_, response) => {
      response.writeHead(503, { 'Retry-After': '30' }).end();
    });
    return { args: ['verify', `http://127.0.0.1:${port}/a.tar.gz`, skip], reached: () => asked };
  },
  'a web server that takes a file and says nothing': async (directory) => {
    const { port, asked } = await web((request) => request.resume());
    await writeFile(join(directory, 'a.tar.gz'), bundle);
    return { args: ['push', 'a.tar.gz', `http://127.0.0.1:${port}/a.tar.gz`], reached: () => asked };
  },
  'a plugin server that never answers': async () => {
    const { port, asked } = await web();
    return { args: ['list', `http://127.0.0.1:${port}/plugins/`], reached: () => asked };
  },
  'a registry that never answers': async (directory) => {
    const { port, asked } = await web();
    await (await testKey('dev')).writeTo(directory);
    const args = [
      'export',
      `oci://127.0.0.1:${port}/a/waf:1.0.0`,
      '--plain-http',
      '-o',
      'out.tar.gz',
      ...signing,
    ];
    return { args, reached: () => asked };
  },
  'a cluster that never answers': async (directory) => {
    const { port, asked } = await web();
    const server = `http://127.0.0.1:${port}`;
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'a',
      clusters: [{ name: 'a', cluster: { server } }],
      contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
      users: [{ name: 'a', user: {} }],
    };
    await writeFile(join(directory, 'kubeconfig'), JSON.stringify(config), { mode: 0o600 });
    const args = ['list', 'configmap:default/plugins', '--kubeconfig', 'kubeconfig'];
    return { args, reached: () => asked };
  },
  'an SSH server that says nothing': async () => {
    const { promise: met, resolve: tell } = deferred();
    const { port } = await listening(
      createListener((socket) => {
        socket.on('error', () => undefined).resume();
        onTestFinished(() => void socket.destroy());
        tell();
      }),
    );
    const args = ['verify', `sftp://nobody@127.0.0.1:${port}/a.tar.gz`, skip, '--host-key', fingerprint];
    return { args, reached: () => met };
  },
  'an SSH server that lets us in and answers nothing': async () => {
    const { promise: asked, resolve: tell } = deferred();
    const server = await startLyingServer({
      before: () => {
        tell();
        return true;
      },
    });
    const key = String(server.settings.hostKeys?.[0]);
    const args = ['verify', server.url('/a.tar.gz'), skip, '--host-key', key];
    return { args, reached: () => asked };
  },
  'standard input as a bundle': async () => ({
    args: ['import', '-', '--to', 'volume', skip],
    reached: (child) => written(child, bundle.subarray(0, bundle.length - 1000)),
  }),
  'standard input as a list of plugins': async (directory) => {
    await (await testKey('dev')).writeTo(directory);
    return {
      args: ['export', '-', '-o', 'out.tar.gz', ...signing],
      reached: (child) => written(child, Buffer.from('# nothing yet\n'.repeat(40_000))),
    };
  },
  'a passphrase from a file descriptor': async () => ({
    args: ['keygen', 'made', '--passphrase-fd', '0'],
    options: { node: saysThatItListens },
    reached: (child) => said(child, 'it listens'),
  }),
  'a program that signs': async (directory) => {
    await (await testKey('dev')).writeTo(directory);
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const command = `touch ${join(directory, 'begun')}; cat > /dev/null; sleep 1000`;
    return {
      args: ['export', 'plugins', '-o', 'out.tar.gz', '--sign-command', command, '--signed-by', 'dev.pub'],
      reached: () => expect.poll(() => readdir(directory), { interval: 20 }).toContain('begun'),
    };
  },
};

/** Of no key. */
const fingerprint = `SHA256:${Buffer.alloc(32).toString('base64').replace(/=+$/, '')}`;

test.each(
  Object.entries(waits).map(([name, wait], index) => {
    const signal = index % 2 === 0 ? 'SIGINT' : 'SIGTERM';
    return { name, wait, signal, code: index % 2 === 0 ? 130 : 143 } as const;
  }),
)('$signal ends a wait for $name, and leaves nothing', async ({ wait, signal, code }) => {
  const directory = await tempDir();
  const temporary = join(directory, 'tmp');
  await mkdir(temporary);
  const { args, options, reached } = await wait(directory);
  const before = (await readdir(directory)).toSorted();
  const child = start(args, { cwd: directory, env: { TMPDIR: temporary }, ...options });
  child.stdin?.on('error', () => undefined);
  const end = finished(child);
  await Promise.race([
    reached(child),
    end.then((run) => {
      throw new Error(`ended before: ${JSON.stringify(run)}`);
    }),
  ]);
  child.kill(signal);
  const run = await end;
  expect([run.code, run.signal], run.stderr).toEqual([code, null]);
  expect(run.stderr).toContain(signal === 'SIGINT' ? 'E_INTERRUPTED' : 'E_TERMINATED');
  expect(await readdir(temporary)).toEqual([]);
  const after = (await readdir(directory)).filter((name) => name !== 'volume' && name !== 'begun').toSorted();
  expect(after).toEqual(before);
  if ((await readdir(directory)).includes('volume'))
    expect(await readdir(join(directory, 'volume/.plugferry/staging'))).toEqual([]);
});

test('a signal counts where nobody reads what is said any more', async () => {
  const { port, asked } = await web();
  const child = start(['verify', `http://127.0.0.1:${port}/a.tar.gz`, skip], { cwd: await tempDir() });
  const end = finished(child);
  await asked;
  child.stderr?.destroy();
  child.stdout?.destroy();
  child.kill('SIGINT');
  const { code, signal } = await end;
  expect([code, signal]).toEqual([130, null]);
});
