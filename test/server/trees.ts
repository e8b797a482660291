import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { digestOf } from '../../src/stream/digest.js';
import { releaseId, sortedPlugins } from '../../src/release/release.js';
import { emptyState } from '../../src/release/state.js';
import { documentBytes } from '../../src/schema/parse.js';
import type { Release, ReleaseFile, ReleasePlugin } from '../../src/schema/release.js';
import type { State } from '../../src/schema/state.js';

const made: string[] = [];
afterAll(async () => {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true });
});

/** A directory of its own, links in its path resolved, that is removed when all tests of the file are done. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'plugferry-server-')));
  made.push(directory);
  return directory;
}

/** The same bytes for the same seed, unlike those of any other, and not compressible. */
export function moduleBytes(size: number, seed: string): Buffer {
  const head = Buffer.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  const bytes = Buffer.concat([
    head,
    createHash('shake256', { outputLength: size - 8 })
      .update(seed)
      .digest(),
  ]);
  return bytes;
}

export type Plugins = Readonly<Record<string, Readonly<Record<string, string | Buffer>>>>;

/** Writes `{ 'key-auth/1.0.0': { 'plugin.wasm': bytes } }` below `directory`. */
export async function writePlugins(directory: string, plugins: Plugins): Promise<void> {
  for (const [id, files] of Object.entries(plugins)) {
    await mkdir(join(directory, id), { recursive: true });
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, id, name), content);
  }
}

export const samplePlugins: Plugins = {
  'ai-proxy/2.0.1': { 'plugin.wasm': moduleBytes(700_000, 'ai-proxy') },
  'key-auth/1.0.0': {
    'plugin.wasm': moduleBytes(300_000, 'key-auth 1'),
    'metadata.txt': 'Plugin Name: key-auth\nSize: 300000 bytes\nMD5: 0\n',
  },
  'key-auth/2.0.0': { 'plugin.wasm': moduleBytes(300_001, 'key-auth 2') },
};

/** A plain tree: `<directory>/plugins/<name>/<version>/<file>`. */
export async function plainTree(plugins: Plugins = samplePlugins): Promise<string> {
  const directory = await temporaryDirectory();
  await mkdir(join(directory, 'plugins'));
  await writePlugins(join(directory, 'plugins'), plugins);
  return directory;
}

/** Adds a release to a volume, as an import lays it out, and gives back its directory. */
export async function addRelease(volume: string, plugins: Plugins): Promise<string> {
  const listed = releasePlugins(plugins);
  const id = releaseId(listed);
  const directory = join(volume, '.plugferry', 'releases', id);
  await mkdir(join(directory, 'plugins'), { recursive: true });
  await writePlugins(join(directory, 'plugins'), plugins);
  const release: Release = {
    type: 'plugferry.release/v1',
    id,
    createdAt: '2026-03-01T12:00:00Z',
    tool: 'test',
    origin: { kind: 'adopted' },
    plugins: listed,
  };
  await writeFile(join(directory, 'release.json'), documentBytes(release));
  return directory;
}

const releasePlugins = (plugins: Plugins): ReleasePlugin[] =>
  sortedPlugins(
    Object.entries(plugins).map(([id, files]) => {
      const [name = '', version = ''] = id.split('/');
      return { name, version, files: Object.entries(files).map(releaseFile) };
    }),
  );

/** The id of a release that holds these plugins. */
export const releaseIdOf = (plugins: Plugins): string => releaseId(releasePlugins(plugins));

const releaseFile = ([name, content]: [string, string | Buffer]): ReleaseFile => ({
  name: name as ReleaseFile['name'],
  ...digestOf(Buffer.from(content)),
});

/** A volume with one release, current. */
export async function volume(plugins: Plugins = samplePlugins): Promise<string> {
  const directory = await temporaryDirectory();
  await addRelease(directory, plugins);
  await symlink(`.plugferry/releases/${releaseIdOf(plugins)}/plugins`, join(directory, 'plugins'));
  const entry = {
    serial: 1,
    at: '2026-03-01T12:00:00Z',
    action: 'import',
    release: releaseIdOf(plugins),
  } as const;
  const state: State = { ...emptyState, serial: 1, history: [{ ...entry, by: 'secret' }] };
  await writeFile(join(directory, '.plugferry', 'state.json'), documentBytes(state));
  return directory;
}
