/**
 * Makes one file of the whole program, dist/plugferry.mjs, that runs alone on any Node that package.json names; and beside it the
 * licences of every package that is in it. They also stand at the end of the file, so that they go where it goes.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const { version, license, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Packages without a licence file, with one from the same repository that has it. */
const sameRepository = { 'proxy-agent-negotiate': 'https-proxy-agent' };

/** Asked for by libraries in ways that go on without: native code of ssh2, proxies with Kerberos, colours of debug, a cloud client of
 * unzipper. */
const optional = /^(cpu-features|kerberos|supports-color|@aws-sdk\/client-s3)$|\.node$/;
const withoutOptional = {
  name: 'without-optional',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: optional }, ({ path }) => ({ path, namespace: 'optional' }));
    onLoad({ filter: /.*/, namespace: 'optional' }, ({ path }) => ({
      contents: `throw Object.assign(new Error(${JSON.stringify(`${path} is not part of this program`)}), { code: 'MODULE_NOT_FOUND' });`,
    }));
  },
};

const { outputFiles, metafile } = await build({
  absWorkingDir: root,
  stdin: {
    contents: `import { main } from './src/cli/main.ts'; process.exitCode = await main(process.argv.slice(2));`,
    resolveDir: root,
  },
  bundle: true,
  write: false,
  metafile: true,
  outfile: 'dist/plugferry.mjs',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  define: { PLUGFERRY_ONE_FILE: 'true' },
  banner: {
    js: `#!/usr/bin/env node\n// plugferry ${version}, ${license}, for Node ${engines.node}; licences at the end\nimport{createRequire as nodeRequire}from'node:module';import{fileURLToPath as nodePath}from'node:url';import{dirname as nodeDirname}from'node:path';const require=nodeRequire(import.meta.url),__filename=nodePath(import.meta.url),__dirname=nodeDirname(__filename);`,
  },
  plugins: [withoutOptional],
  logLevel: 'warning',
});

const asked = Object.values(metafile.outputs)[0].imports.map(({ path }) => path);
const foreign = asked.filter((path) => !isBuiltin(path));
if (foreign.length > 0) throw new Error(`the file would not run alone: it asks for ${foreign.join(', ')}`);

const inFile = Object.entries(Object.values(metafile.outputs)[0].inputs).flatMap(
  ([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : []),
);
// Where the packages lie on this machine is nobody's business, and must not change the bytes.
const program = outputFiles[0].text.replaceAll(/\(\{"[^"\n]*node_modules\//g, '({"');
const licenses = [
  { title: `plugferry ${version} (${license})`, text: readFileSync(join(root, 'LICENSE'), 'utf8') },
  ...packages(inFile).map(licenseOf),
]
  .map(({ title, text }) => `${title}\n\n${text.trim()}\n`)
  .join(`\n${'-'.repeat(80)}\n\n`);
const comments = licenses.replace(/\n$/, '').replaceAll(/^/gm, '// ').replaceAll(/ +$/gm, '');
mkdirSync(join(root, 'dist'), { recursive: true });
writeFileSync(
  join(root, 'dist/plugferry.mjs'),
  `${program}\n// ---- licences of what is in this file ----\n${comments}\n`,
  { mode: 0o755 },
);
writeFileSync(join(root, 'dist/plugferry.licenses.txt'), licenses);

/** Directories of the packages that files come from, each once, by name. */
function packages(files) {
  const found = new Map();
  for (const file of files) {
    const [directory] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? [];
    if (directory !== undefined)
      found.set(directory, JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8')));
  }
  return [...found].sort(([, a], [, b]) => (a.name < b.name ? -1 : 1));
}

function licenseOf([directory, { name, version: its, license: id }]) {
  const path = join(root, directory);
  const files = readdirSync(path)
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .sort();
  const borrowed = sameRepository[name];
  if (files.length === 0 && borrowed !== undefined)
    return licenseOf([join(directory, '..', borrowed), { name, version: its, license: id }]);
  const texts = files.length > 0 ? files.map((file) => read(join(path, file))) : [inReadme(path)];
  if (!texts.some((text) => /permission|redistribution|terms|public domain/i.test(text)))
    throw new Error(`no licence of ${name} ${its} (${id}) is found in ${path}`);
  return { title: `${name} ${its} (${id})`, text: texts.join('\n\n') };
}

function read(file) {
  return readFileSync(file, 'utf8').replaceAll('\r', '').trim();
}

/** Some packages have their licence only there, in the last section. */
function inReadme(path) {
  const [file] = readdirSync(path).filter((each) => /^readme/i.test(each));
  if (file === undefined) return '';
  return /^#* *licen[cs]e\b.*/ims.exec(read(join(path, file)))?.[0] ?? '';
}
