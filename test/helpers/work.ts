import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cli, type CliOptions, type CliRun } from './cli.js';
import { tempDir } from './temp.js';

/** The part of what V8 writes down of a process that is read here. */
interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

const ours = ['dist', 'node_modules/yaml'].map(
  (path) => pathToFileURL(join(import.meta.dirname, '../..', path, '/')).href,
);

/** A run, and how many blocks of our code it ran, each counted as often as V8 counted it: the same on every machine. */
async function counted(
  args: readonly string[],
  options: CliOptions,
): Promise<{ readonly run: CliRun; readonly work: number }> {
  const directory = await tempDir();
  const run = await cli(args, { ...options, env: { ...options.env, NODE_V8_COVERAGE: directory } });
  let work = 0;
  for (const name of await readdir(directory)) {
    const { result } = JSON.parse(await readFile(join(directory, name), 'utf8')) as Coverage;
    for (const { functions } of result.filter(({ url }) => ours.some((path) => url.startsWith(path))))
      for (const { ranges } of functions) for (const { count } of ranges) work += count;
  }
  return { run, work };
}

export interface Task {
  readonly args: readonly string[];
  readonly options?: CliOptions;
}

/**
 * By how much the work of the binary grows where a task is twice as large, and twice as large again: 2 where it is in proportion,
 * 4 where each thing is held against each other one.
 *
 * @param size of the smallest task.
 * @param task told of the size.
 * @returns also the runs, the largest last.
 */
export async function growthOf(
  size: number,
  task: (size: number) => Promise<Task>,
): Promise<{ readonly growth: number; readonly runs: readonly CliRun[] }> {
  const found = [];
  for (const each of [size, 2 * size, 4 * size]) {
    const { args, options = {} } = await task(each);
    found.push(await counted(args, options));
  }
  const [one, two, four] = found.map(({ work }) => work);
  // What is done once, whatever the size, is in none of the differences.
  return {
    growth: (Number(four) - Number(two)) / (Number(two) - Number(one)),
    runs: found.map(({ run }) => run),
  };
}
