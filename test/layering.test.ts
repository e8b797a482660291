import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const source = join(root, 'src');

/**
 * Which folder of src may import which; `src/README.md` prints the same table. Root verbs may import every folder but cli. cli may
 * also import what `index.ts` exports, from the file where that is: so a command loads no more than it needs.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  io: [],
  plugin: [],
  schema: [],
  wasm: ['io', 'plugin', 'schema'],
  gateway: ['io', 'plugin', 'schema', 'wasm'],
  resource: ['io', 'plugin', 'schema'],
  diagnosis: ['io', 'plugin'],
  trust: ['io', 'plugin', 'schema'],
  bundle: ['io', 'plugin', 'schema', 'wasm'],
  registry: ['io'],
  source: ['io', 'plugin', 'schema', 'wasm', 'catalogue', 'registry'],
  catalogue: ['io', 'plugin', 'resource', 'schema'],
  parts: ['io'],
  tool: ['io'],
  deployment: [],
  transport: ['io'],
  config: ['io', 'plugin', 'schema'],
  release: ['io', 'plugin', 'schema'],
  volume: ['io', 'plugin', 'release', 'schema'],
  configmap: ['io', 'plugin', 'release', 'schema'],
  kube: ['io', 'schema'],
  server: ['io', 'plugin', 'release', 'schema'],
  cli: ['io'],
};
/** Files at the root of src that every folder may import. */
const everywhere = ['errors.ts', 'version.ts'];

/** Each third-party package is known to exactly one file, so that it can be replaced there. */
const onlyIn: Readonly<Record<string, string>> = {
  '@noble/curves': 'trust/curve.ts',
  'tar-stream': 'io/tar-parser.ts',
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

describe('the import table', () => {
  test.each(files)('%s', (file) => {
    const folder = folderOf(file);
    for (const name of importsOf(file).filter((each) => each.startsWith('.'))) {
      const target = relative(source, resolve(dirname(join(source, file)), name))
        .replace(/\.js$/, '.ts')
        .replaceAll('\\', '/');
      const there = folderOf(target);
      if (there === folder || everywhere.includes(target)) continue;
      if (folder === '') expect(there, `${file} imports ${target}`).not.toBe('cli');
      else if (folder !== 'cli' || there === 'io')
        expect(mayImport[folder], `${file} imports ${target}`).toContain(there);
      else if (target !== 'index.ts') {
        const names = namesOf(file, name);
        expect(names, `what ${file} imports from ${target}`).not.toEqual([]);
        expect(publicNames.get(target) ?? [], `${file} imports ${target}`).toEqual(
          expect.arrayContaining(names),
        );
      }
    }
  });

  test('covers every folder', () => {
    expect(Object.keys(mayImport).sort()).toEqual([...new Set(files.map(folderOf))].filter(Boolean).sort());
  });

  test('is the one that src/README.md prints', () => {
    const printed = readFileSync(join(source, 'README.md'), 'utf8').replace(/ +/g, ' ');
    for (const [folder, allowed] of Object.entries(mayImport)) {
      const names = allowed.map((name) => `\`${name}\``).join(', ') || '-';
      expect(printed).toContain(`| \`${folder}\` | ${names}${folder === 'cli' ? ', and `index.ts`' : ''} |`);
    }
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
  test('who checks signatures also judges: both are called by verified-bundle.ts alone', () => {
    const callers = files.filter((file) => /\b(?:authenticator|judge)\(/.test(textOf(file)));
    expect(callers.sort()).toEqual(['authenticate.ts', 'verified-bundle.ts']);
  });

  test('a sealed bundle is opened there; elsewhere only where nobody asks who signed it', () => {
    const openers = files.filter((file) => /\bsealed\s*\.open\(/.test(textOf(file)));
    // open-bundle.ts hands it on, convert.ts carries what it does not believe, sign.ts reads again the very bytes that it proved.
    expect(openers.sort()).toEqual(['convert.ts', 'open-bundle.ts', 'sign.ts', 'verified-bundle.ts']);
  });
});
