import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import type { Manifest } from '../../src/schema/manifest.js';
import { installScript } from '../../src/tool/texts.js';
import { verifies } from '../../src/trust/signature.js';
import { isPluginName, isPluginVersion } from '../../src/plugin/plugin.js';
import type { TestKey } from './keys.js';
import { tempDir, treeOf } from './temp.js';
import { runScript, unpackBox, type ScriptRun, type Toolbox } from './toolbox.js';

/** A machine of a receiver: the box in PATH, and a directory that holds the script, the key and the bundle. */
export interface Receiver {
  readonly box: Toolbox;
  /** All of it; what is not in `here` must not change. */
  readonly around: string;
  readonly here: string;
  readonly run: (...args: string[]) => ScriptRun;
  /** Installs `edge.tar.gz` to `out`. */
  readonly install: () => ScriptRun;
}

export interface ReceiverOptions {
  /** Whose public key is `dev.pub`. */
  readonly signer: TestKey;
  /** Who signs the digest of the file; undefined where nobody does. @default `signer` */
  readonly fileSigner?: TestKey | undefined;
  /** The digest file, where it is not what it should be. */
  readonly digestFile?: Buffer;
  /** The signature of the digest file, where it is not what it should be. */
  readonly digestSignature?: Buffer;
}

/** What `sha256sum NAME` prints, and so what lies beside a bundle. */
export const digestLine = (bundle: Buffer, name = 'edge.tar.gz'): Buffer =>
  Buffer.from(`${sha256Of(bundle)}  ${name}\n`);

/** A directory with `install.sh`, `dev.pub`, `edge.tar.gz` and the signed digest of that. */
export async function receiver(box: Toolbox, bundle: Buffer, options: ReceiverOptions): Promise<Receiver> {
  const around = await tempDir();
  const here = join(around, 'here');
  await mkdir(here);
  const path = await unpackBox(box, join(around, 'box'));
  await writeFile(join(around, 'canary'), 'sings');
  await writeFile(join(here, 'install.sh'), installScript);
  await writeFile(join(here, 'dev.pub'), options.signer.publicPem);
  await writeFile(join(here, 'edge.tar.gz'), bundle);
  const fileSigner = 'fileSigner' in options ? options.fileSigner : options.signer;
  if (fileSigner !== undefined) {
    const digest = options.digestFile ?? digestLine(bundle);
    await writeFile(join(here, 'edge.tar.gz.sha256'), digest);
    await writeFile(join(here, 'edge.tar.gz.sha256.sig'), options.digestSignature ?? fileSigner.sign(digest));
  }
  const run = (...args: string[]): ScriptRun => runScript(box, ['install.sh', ...args], { path, cwd: here });
  return {
    box,
    around,
    here,
    run,
    install: () => run('edge.tar.gz', '--public-key', 'dev.pub', '--to', 'out'),
  };
}

/** What the receiver's machine must say: one of these codes, words on stderr without a control byte, and nothing left behind. */
export async function expectRefused(
  there: Receiver,
  run: () => ScriptRun,
  ...codes: number[]
): Promise<string> {
  const before = await treeOf(there.around);
  const { code: found, stdout, stderr } = run();
  expect(codes, stderr).toContain(found);
  expect([stdout, stderr]).toEqual(['', expect.stringMatching(/^(?:install\.sh: [ -~]*\n)+$/)]);
  expect(await treeOf(there.around)).toEqual(before);
  return stderr;
}

/** The plugins and checksums of an installed tree. */
export async function installed(directory: string): Promise<Map<string, string>> {
  const tree = await treeOf(directory);
  return new Map(
    [...tree].filter(([name, content]) => /^(plugins\/|checksums)/.test(name) && content !== '(directory)'),
  );
}

/** Every file of an installed tree is one of the manifest that `key` signed, with the bytes that it says. */
export async function expectAsSigned(out: string, key: TestKey): Promise<void> {
  const manifestBytes = await readFile(join(out, 'manifest.json'));
  const signature = await readFile(join(out, 'signatures', `${key.keyId}.sig`));
  expect(verifies(manifestBytes, signature, key.trusted)).toBe(true);
  const { files } = JSON.parse(manifestBytes.toString('utf8')) as Manifest;
  const found = await installed(out);
  const listed = files.filter(({ path }) => !path.startsWith('resources/'));
  expect([...found.keys()]).toEqual(listed.map(({ path }) => path).sort());
  for (const { path, sha256 } of listed) {
    expect(sha256Of(Buffer.from(found.get(path) ?? '', 'latin1')), path).toBe(sha256);
    const [kind, name = '', version = '', ...rest] = path.split('/');
    if (kind !== 'plugins') continue;
    expect([path, isPluginName(name), isPluginVersion(version), rest.length]).toEqual([path, true, true, 1]);
  }
}
