import { execFileSync, spawnSync } from 'node:child_process';

/** A program that reads zip and knows nothing of us. */
export interface ZipReader {
  readonly name: string;
  readonly available: boolean;
  /** For each archive, in one start: `size name` of its entries in their order. */
  readonly list: (paths: readonly string[]) => readonly (readonly string[])[];
}

const has = (program: string, debianPackage: string): boolean => {
  if (spawnSync('sh', ['-c', `command -v ${program}`]).status === 0) return true;
  // eslint-disable-next-line no-console
  console.warn(`skipped: comparison with ${program}. Install it: apt-get install ${debianPackage}`);
  return false;
};

const run = (program: string, args: readonly string[]): string =>
  execFileSync(program, args, {
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  }).toString();

/** What was printed behind one `@` line for each archive, of which `row` takes size and name. */
const rows = (text: string, row: RegExp): string[][] =>
  text
    .split(/^@\n/m)
    .slice(1)
    .map((archive) =>
      archive.split('\n').flatMap((line) => {
        const [, size, name] = row.exec(line) ?? [];
        return size === undefined || name === undefined ? [] : [`${size} ${name}`];
      }),
    );

/** A shell loop: to start a program for each archive from here would take most of the time. */
const loop = (command: string, paths: readonly string[]): string =>
  run('sh', ['-ec', `for f; do echo @; ${command} "$f"; done`, 'sh', ...paths]);

const script = `
import sys, zipfile
for path in sys.argv[1:]:
    print('@')
    for entry in zipfile.ZipFile(path).infolist(): print(entry.file_size, entry.filename)
`;

export const zipReaders: readonly ZipReader[] = [
  {
    name: 'unzip',
    available: has('unzip', 'unzip'),
    list: (paths) => rows(loop('unzip -l', paths), /^ *(\d+) +[-\d]+ [:\d]+ +(\S.*)$/),
  },
  {
    name: 'bsdtar',
    available: has('bsdtar', 'libarchive-tools'),
    list: (paths) => rows(loop('bsdtar -tvf', paths), /^\S+ +\S+ +\S+ +\S+ +(\d+) +\S+ +\S+ +\S+ (.*)$/),
  },
  {
    name: 'Python zipfile',
    available: has('python3', 'python3'),
    list: (paths) => rows(run('python3', ['-c', script, ...paths]), /^(\d+) (.*)$/),
  },
];
