import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const source = join(root, 'src');

/**
 * The storeys of src, lowest first, and which folders each folder may import. From the third storey on, every folder may also
 * import all that is below it. `src/README.md` prints the same table.
 */
const storeys: readonly Readonly<Record<string, readonly string[]>>[] = [
  {
    stream: [],
    plugin: [],
    schema: [],
    process: [],
    files: ['stream'],
    http: ['files', 'stream'],
    config: ['files', 'plugin', 'schema'],
    wasm: ['files', 'plugin', 'schema', 'stream'],
    gateway: ['files', 'plugin', 'schema', 'stream', 'wasm'],
    resource: ['files', 'plugin', 'schema'],
    release: ['plugin', 'schema', 'stream'],
    trust: ['files', 'plugin', 'process', 'schema'],
  },
  {
    bundle: ['files', 'plugin', 'schema', 'stream', 'wasm'],
    parts: ['files', 'stream'],
    registry: ['files', 'http', 'stream'],
    catalogue: ['files', 'http', 'plugin', 'resource', 'schema'],
    source: ['catalogue', 'files', 'http', 'plugin', 'registry', 'schema', 'stream', 'wasm'],
    transport: ['files', 'http', 'stream'],
    volume: ['files', 'plugin', 'release', 'schema', 'stream'],
    configmap: ['files', 'plugin', 'release', 'schema', 'stream'],
    kube: ['files', 'http', 'process', 'schema', 'stream'],
    server: ['files', 'plugin', 'release', 'schema', 'stream'],
    diagnosis: ['http', 'plugin'],
    deployment: [],
    tool: ['files', 'stream'],
  },
  { location: [], verification: ['location'] },
  { collection: [], inventory: ['collection'], serving: [] },
  { operations: [] },
];
const storeyOf = (folder: string): number => storeys.findIndex((storey) => Object.hasOwn(storey, folder));

/** From here on everything below may be imported. */
const firstFree = 2;

/** cli may import these, and from the storeys below what `index.ts` exports, from the file where that is: so a command loads no more than it needs. */
const open = ['files', 'http', 'process', 'stream'];

function mayImport(folder: string, there: string): boolean {
  const storey = storeyOf(folder);
  if (storeys[storey]?.[folder]?.includes(there) === true) return true;
  return storey >= firstFree && storeyOf(there) >= 0 && storeyOf(there) < storey;
}

/** Files at the root of src that every folder may import. */
const everywhere = ['errors.ts', 'version.ts'];

/** Each third-party package is known to exactly one file, so that it can be replaced there. */
const onlyIn: Readonly<Record<string, string>> = {
  '@noble/curves': 'trust/curve.ts',
  'tar-stream': 'stream/tar-parser.ts',
};

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replaceAll('\\', '/'));

const importsOf = (file: string): string[] =>
  [
    ...readFileSync(join(source, file), 'utf8').matchAll(
      /^(?:import|export)\b[^;']*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm,
    ),
  ].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '');

const folderOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : '');

/** Names as the file calls them that they come from. */
const listed = (names: string): string[] =>
  names
    .split(',')
    .map((each) => each.replace(/^\s*type /, '').trim())
    .map((each) => each.split(/ as |: /)[0] ?? '')
    .filter((each) => each !== '');

/** What `index.ts` exports, by the file where that is. */
const publicNames: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ...readFileSync(join(source, 'index.ts'), 'utf8').matchAll(
      /^export \{([^}]*)\} from '\.\/([^']+)\.js';/gm,
    ),
  ].map(([, names = '', file = '']) => [`${file}.ts`, listed(names)] as const),
);

/** What a file imports from another by name. */
const namesOf = (file: string, from: string): string[] =>
  [
    ...readFileSync(join(source, file), 'utf8').matchAll(
      /\bimport (?:type )?\{([^}]*)\} from '([^']+)'|\bconst \{([^}]*)\} = await import\('([^']+)'\)/g,
    ),
  ].flatMap(([, names, place, parts, there]) =>
    (place ?? there) === from ? listed(names ?? parts ?? '') : [],
  );

/** The file of src that an import names. */
const targetOf = (file: string, name: string): string =>
  relative(source, resolve(dirname(join(source, file)), name))
    .replace(/\.js$/, '.ts')
    .replaceAll('\\', '/');

const neighbours = (file: string): string[] =>
  importsOf(file)
    .filter((name) => name.startsWith('.'))
    .map((name) => targetOf(file, name));

describe('the storeys', () => {
  test.each(files)('%s', (file) => {
    const folder = folderOf(file);
    if (file === 'index.ts') return;
    for (const name of importsOf(file).filter((each) => each.startsWith('.'))) {
      const target = targetOf(file, name);
      const there = folderOf(target);
      if (there === folder || everywhere.includes(target)) continue;
      const sentence = `${file} imports ${target}`;
      if (folder !== 'cli') expect(mayImport(folder, there), sentence).toBe(true);
      else if (!open.includes(there) && target !== 'index.ts') {
        const names = namesOf(file, name);
        expect(names, `what ${sentence}`).not.toEqual([]);
        expect(publicNames.get(target) ?? [], sentence).toEqual(expect.arrayContaining(names));
      }
    }
  });

  test('hold every folder, and no other file than three stands beside them', () => {
    const named = storeys.flatMap((storey) => Object.keys(storey));
    expect([...named, 'cli'].sort()).toEqual([...new Set(files.map(folderOf))].filter(Boolean).sort());
    expect(files.filter((file) => folderOf(file) === '').sort()).toEqual([
      'errors.ts',
      'index.ts',
      'version.ts',
    ]);
  });

  test('are those that src/README.md prints', () => {
    const printed = readFileSync(join(source, 'README.md'), 'utf8').replace(/ +/g, ' ');
    for (const [at, storey] of storeys.entries()) {
      for (const [folder, allowed] of Object.entries(storey)) {
        const names = allowed.map((name) => `\`${name}\``);
        const all = at >= firstFree ? ['all below', ...names] : names;
        expect(printed).toContain(`| ${at} | \`${folder}\` | ${all.join(', ') || '-'} |`);
      }
    }
  });

  test('verbs do not import each other', () => {
    for (const file of files.filter((each) => folderOf(each) === 'operations'))
      expect(
        neighbours(file).filter((target) => folderOf(target) === 'operations'),
        file,
      ).toEqual([]);
  });

  // An import of a type is one, too: what is understood only together is one thing, and belongs in one file.
  test('have no circles', () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, way: readonly string[]): void => {
      if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' -> '));
      if (way.includes(file) || done.has(file)) return;
      for (const target of neighbours(file)) visit(target, [...way, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });
});

describe('third-party packages', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>;
  };
  const packageOf = (name: string): string =>
    name
      .split('/')
      .slice(0, name.startsWith('@') ? 2 : 1)
      .join('/');
  const users = new Map<string, Set<string>>();
  for (const file of files) {
    for (const name of importsOf(file).filter((each) => !/^(\.|node:)/.test(each))) {
      users.set(packageOf(name), (users.get(packageOf(name)) ?? new Set()).add(file));
    }
  }

  test.each(Object.keys(dependencies))('%s is imported somewhere, and by one file', (name) => {
    const found = [...(users.get(name) ?? [])];
    // yargs gives the command table its types, besides the parser itself.
    if (name === 'yargs') expect(found.every((file) => file.startsWith('cli/'))).toBe(true);
    else expect(found).toHaveLength(1);
    if (onlyIn[name] !== undefined) expect(found).toEqual([onlyIn[name]]);
  });

  test('none is imported that package.json does not name, and every version is exact', () => {
    expect([...users.keys()].filter((name) => dependencies[name] === undefined)).toEqual([]);
    expect(Object.values(dependencies).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});

describe('the one way into a bundle', () => {
  const textOf = (file: string): string => readFileSync(join(source, file), 'utf8');

  // Spelt out by hand in seven places, the second half was forgotten in one: a hop countersigned what was revoked.
  test('who checks signatures also judges: both are called by verification/verified-bundle.ts alone', () => {
    const callers = files.filter((file) => /\b(?:authenticator|judge)\(/.test(textOf(file)));
    expect(callers.sort()).toEqual(['verification/authenticate.ts', 'verification/verified-bundle.ts']);
  });

  test('a sealed bundle is opened there; elsewhere only where nobody asks who signed it', () => {
    const openers = files.filter((file) => /\bsealed\s*\.open\(/.test(textOf(file)));
    // location/open-bundle.ts hands it on, convert.ts carries what it does not believe, sign.ts reads again the very bytes that it proved.
    expect(openers.sort()).toEqual([
      'location/open-bundle.ts',
      'operations/convert.ts',
      'operations/sign.ts',
      'verification/verified-bundle.ts',
    ]);
  });
});

describe('exports', () => {
  const elsewhere = ['test', 'schemas', 'bin'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.m?ts$|\.mjs$/.test(file))
      .map((file) => join(root, folder, file)),
  );
  const patterns = [
    /\b(?:import|export) (?:type )?\{(?<names>[^}]*)\} from '(?<place>\.[^']+)'/g,
    /\bconst \{(?<names>[^}]*)\} = await import\('(?<place>\.[^']+)'\)/g,
    /\bimport\('(?<place>\.[^']+)'\)\)?\.(?<names>\w+)/g,
    /\brequire\("(?<place>\.[^"]+)"\)\.(?<names>\w+)/g,
  ];
  const whole = /\bimport \* as \w+ from '(?<place>\.[^']+)'/g;
  const used = new Set<string>();
  for (const path of [...files.map((file) => join(source, file)), ...elsewhere]) {
    const text = readFileSync(path, 'utf8');
    const fileOf = (place = ''): string =>
      relative(source, resolve(dirname(path), place).replace(/\.js$/, '.ts'));
    for (const { groups } of text.matchAll(whole)) used.add(`${fileOf(groups?.['place'])} *`);
    for (const { groups } of patterns.flatMap((pattern) => [...text.matchAll(pattern)])) {
      for (const name of listed(groups?.['names'] ?? '')) used.add(`${fileOf(groups?.['place'])} ${name}`);
    }
  }

  test('every function, constant and class that is exported is imported somewhere', () => {
    const exported = files
      .filter((file) => file !== 'index.ts' && !/^schema\/(validators|gateway-profiles)\.ts$/.test(file))
      .flatMap((file) =>
        [
          ...readFileSync(join(source, file), 'utf8').matchAll(
            /^export (?:async )?(?:function\*?|const|class) (\w+)/gm,
          ),
        ].map(([, name = '']) => `${file} ${name}`),
      );
    expect(exported.length).toBeGreaterThan(500);
    expect(exported.filter((each) => !used.has(each) && !used.has(each.replace(/ .*/, ' *')))).toEqual([]);
  });
});
