import { execFileSync, spawnSync } from 'node:child_process';

/** A program that is no part of Plugferry and says what an archive holds. */
export interface Lister {
  readonly tool: string;
  readonly available: boolean;
  /** `size name` of each entry, in the order of the archive. */
  list(path: string): string[];
}

const has = (tool: string, debianPackage: string): boolean => {
  if (spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0) return true;
  // eslint-disable-next-line no-console
  console.warn(`${tool} is missing, its tests are skipped: apt-get install ${debianPackage}`);
  return false;
};

const run = (tool: string, args: readonly string[]): string =>
  execFileSync(tool, args, {
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  }).toString();

const rows = (text: string, row: RegExp): string[] =>
  text.split('\n').flatMap((line) => {
    const [, size, name] = row.exec(line) ?? [];
    return size === undefined || name === undefined ? [] : [`${size} ${name}`];
  });

const python =
  'import sys,zipfile\nfor e in zipfile.ZipFile(sys.argv[1]).infolist(): print(e.file_size,e.filename)';

/** Three independent readers of zip. */
export const zipListers: readonly Lister[] = [
  {
    tool: 'unzip',
    available: has('unzip', 'unzip'),
    list: (path) => rows(run('unzip', ['-l', path]), /^ *(\d+) +\S+ \S+ +(\S.*)$/),
  },
  {
    tool: 'bsdtar',
    available: has('bsdtar', 'libarchive-tools'),
    list: (path) => rows(run('bsdtar', ['tvf', path]), /^\S+ +\S+ +\S+ +\S+ +(\d+) +\S+ +\S+ +\S+ (.*)$/),
  },
  {
    tool: 'python3',
    available: has('python3', 'python3'),
    list: (path) => run('python3', ['-c', python, path]).trim().split('\n'),
  },
];
