// Compiles the example plugins into a plugin-server tree: OUT_DIR/<name>/<version>/plugin.wasm.
// Usage: node examples/plugins/build.mjs OUT_DIR

import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import wabt from 'wabt';

/** One with metadata.txt and one without: both kinds of tree are found in the field. */
const plugins = [
  { name: 'hello-header', version: '1.0.0', withMetadata: true },
  { name: 'request-guard', version: '1.0.0', withMetadata: false },
];

async function build(outDirectory) {
  const compiler = await wabt();
  for (const { name, version, withMetadata } of plugins) {
    const wasm = await compile(compiler, name);
    const directory = join(outDirectory, name, version);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'plugin.wasm'), wasm);
    if (withMetadata) await writeFile(join(directory, 'metadata.txt'), metadataOf(name, wasm));
  }
}

async function compile(compiler, name) {
  const source = join(import.meta.dirname, name, 'plugin.wat');
  const module = compiler.parseWat(source, await readFile(source));
  try {
    module.validate();
    return module.toBinary({ write_debug_names: false }).buffer;
  } finally {
    module.destroy();
  }
}

/** The times are fixed: the same source must give the same tree. */
const metadataOf = (name, wasm) =>
  [
    `Plugin Name: ${name}`,
    `Size: ${wasm.length} bytes`,
    'Last Modified: 1980-01-01T00:00:00',
    'Created: 1980-01-01T00:00:00',
    `MD5: ${createHash('md5').update(wasm).digest('hex')}`,
    '',
  ].join('\n');

const [outDirectory] = process.argv.slice(2);
if (outDirectory === undefined) {
  console.error('usage: node examples/plugins/build.mjs OUT_DIR');
  process.exitCode = 2;
} else {
  await build(outDirectory);
}
