import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Everything that install.sh runs; it says the same itself. */
export const programs = [
  'awk',
  'cat',
  'date',
  'dd',
  'fold',
  'gzip',
  'mkdir',
  'mv',
  'openssl',
  'rm',
  'sha256sum',
  'tr',
  'wc',
] as const;

const find = (name: string): string | undefined => {
  try {
    return execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
};

/** A shell, and whose tar, gzip and the like it finds. */
export interface Toolbox {
  readonly name: string;
  /** The shell with its arguments. */
  readonly shell: readonly string[];
  /** Program of the box to the path that it is a link to. */
  readonly links: ReadonlyMap<string, string>;
}

/** Undefined where one of `replaced` is not installed. */
function toolbox(
  name: string,
  shell: string,
  replaced: Readonly<Record<string, string>>,
): Toolbox | undefined {
  const [word = '', ...options] = shell.split(' ');
  const path = find(word);
  const links = programs.map((program) => [program, find(replaced[program] ?? program)] as const);
  if (path === undefined || links.some(([, to]) => to === undefined)) return undefined;
  return {
    name,
    shell: [path, ...options],
    links: new Map(links.map(([program, to]) => [program, to ?? ''])),
  };
}

const busybox = Object.fromEntries(
  programs.filter((program) => program !== 'openssl').map((program) => [program, 'busybox']),
);

/** The boxes that this machine can have, and the names of those that it cannot. */
export const wantedBoxes: readonly (readonly [name: string, box: Toolbox | undefined])[] = [
  ['dash', toolbox('dash', 'dash', {})],
  ['bash', toolbox('bash', 'bash', {})],
  ['bash --posix', toolbox('bash --posix', 'bash --posix', {})],
  ['dash, with gawk', toolbox('dash, with gawk', 'dash', { awk: 'gawk' })],
  ['dash, with mawk', toolbox('dash, with mawk', 'dash', { awk: 'mawk' })],
  ['dash, with the one true awk', toolbox('dash, with the one true awk', 'dash', { awk: 'original-awk' })],
  ['busybox alone', toolbox('busybox alone', 'busybox sh', busybox)],
];

export const boxes: readonly Toolbox[] = wantedBoxes.flatMap(([, box]) => (box === undefined ? [] : [box]));

/** Makes a directory that holds the box and nothing else, for PATH. */
export async function unpackBox({ shell, links }: Toolbox, directory: string): Promise<string> {
  await mkdir(directory);
  await symlink(shell[0] ?? '', join(directory, 'sh'));
  for (const [program, to] of links) await symlink(to, join(directory, program));
  return directory;
}

export interface ScriptRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script with nothing in PATH but the box. */
export function runScript(
  box: Toolbox,
  args: readonly string[],
  { path, cwd }: { readonly path: string; readonly cwd: string },
): ScriptRun {
  const [shell = '', ...options] = box.shell;
  const { status, stdout, stderr } = spawnSync(shell, [...options, ...args], {
    cwd,
    env: { PATH: path },
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  return { code: status, stdout, stderr };
}
