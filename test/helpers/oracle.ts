import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { SealedBundle } from '../../src/bundle/bundle.js';
import type { Manifest } from '../../src/schema/manifest.js';

/** An entry of a tar as a program lists it: `file 1234 name`, or `link 0 name -> target`. */
export type Listing = readonly string[];

/** A program that reads tar and knows nothing of us. */
export interface TarReader {
  readonly name: string;
  /** Lists many archives in one start, by path. What it refuses, or says on stderr, stands in place of the entries. */
  readonly list: (paths: readonly string[]) => Promise<ReadonlyMap<string, Listing | string>>;
}

const run = promisify(execFile);
const options = { maxBuffer: 1 << 28, env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' } };

/** As many paths as surely fit into one command line. */
const batchSize = 5000;

/** What a program prints for paths, however many they are. */
async function printedFor(
  command: readonly [string, ...string[]],
  paths: readonly string[],
): Promise<string> {
  const [program, ...args] = command;
  const output: string[] = [];
  for (let start = 0; start < paths.length; start += batchSize) {
    const { stdout } = await run(program, [...args, ...paths.slice(start, start + batchSize)], options);
    output.push(stdout);
  }
  return output.join('');
}

/** What a manifest and its signatures say that a tar of them holds. */
export const listingOf = (sealed: SealedBundle, manifest: Manifest): Listing => [
  `file ${sealed.manifestBytes.length} manifest.json`,
  ...[...sealed.signatures].map(([keyId, { length }]) => `file ${length} signatures/${keyId}.sig`),
  ...manifest.files.map(({ path, size, sameAs }) =>
    sameAs === undefined ? `file ${size} ${path}` : `link 0 ${path} -> ${sameAs}`,
  ),
];

/** A shell loop: to start a shell for each archive would take most of the time. */
const loop = (list: string): string => `for f; do echo "@ $f"; ${list} "$f" 2>&1 || echo "! $?"; done`;

/** A tar program with its long listing, whose size and name are two groups of `row`. */
function lister(name: string, list: string, row: RegExp): TarReader {
  const entry = (line: string): string => {
    const [, type = '', size = '', path = '', target] = row.exec(line) ?? [];
    if (type === '-') return `file ${size} ${path}`;
    return type === 'h' && target !== undefined ? `link ${size} ${path} -> ${target}` : `?? ${line}`;
  };
  return {
    name,
    async list(paths) {
      const text = await printedFor(['sh', '-c', loop(list), 'sh'], paths);
      const archives = text.split(/^@ /m).slice(1);
      return new Map(
        archives.map((archive) => {
          const [path = '', ...lines] = archive.trimEnd().split('\n');
          return [path, lines.map(entry)];
        }),
      );
    },
  };
}

const script = `
import json, sys, tarfile
for path in sys.argv[1:]:
    try:
        with tarfile.open(path, 'r:*') as tar:
            found = []
            for m in tar:
                kind = 'file' if m.isreg() else 'link' if m.islnk() else '??'
                found.append('%s %d %s%s' % (kind, m.size, m.name, ' -> ' + m.linkname if m.islnk() else ''))
    except Exception as error:
        found = repr(error)
    print(json.dumps([path, found]))
`;

const python: TarReader = {
  name: 'Python tarfile',
  async list(paths) {
    const text = await printedFor(['python3', '-c', script], paths);
    return new Map(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as [string, Listing | string]),
    );
  },
};

function has(command: string, says: RegExp, debianPackage: string): boolean {
  const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  if (status === 0 && says.test(stdout)) return true;
  // eslint-disable-next-line no-console
  console.warn(`skipped: comparison with ${command}. Install it: apt-get install ${debianPackage}`);
  return false;
}

/** The readers that are there. */
export const tarReaders: readonly TarReader[] = [
  ...(has('tar', /GNU tar/, 'tar')
    ? [
        lister(
          'GNU tar',
          'tar --list --verbose --full-time --numeric-owner --quoting-style=escape --file',
          /^(\S)\S* +\S+ +(\d+) \S+ \S+ (.*?)(?: link to (.*))?$/,
        ),
      ]
    : []),
  ...(has('bsdtar', /bsdtar/, 'libarchive-tools')
    ? [
        lister(
          'bsdtar',
          'bsdtar -tvf',
          /^(\S)\S* +\d+ +\S+ +\S+ +(\d+) \S+ +\S+ +\S+ (.*?)(?: link to (.*))?$/,
        ),
      ]
    : []),
  ...(has('python3', /Python 3/, 'python3') ? [python] : []),
];
