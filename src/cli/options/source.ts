import type { ExportFailure, ExportOptions, Naming } from '../../index.js';
import { parseMirror } from '../../catalogue/mirror.js';
import { catalogueKinds } from '../../catalogue/read.js';
import { parseMapping, parseNaming } from '../../plugin/naming.js';
import { isPluginVersion } from '../../plugin/plugin.js';
import { PlugferryError } from '../../errors.js';
import { committedFile, refuseExisting } from '../../files/atomic-file.js';
import { readSmallFile } from '../../files/open-regular.js';
import { escapeText } from '../../stream/text.js';
import { trustOptions } from './common.js';

/** The kinds of source, for help texts. */
export const sourceKinds =
  'plugin tree (a directory that holds plugins/, or that itself), http(s) URL of a plugin server or of a module, ' +
  'directory or zip of .wasm files, module (.wasm), bundle, artifact of a registry (oci://host/repository:tag; also as ' +
  'layout directory or "docker save" archive), text that names plugins (plugins.properties, Higress release snapshot, ' +
  'WasmPlugin YAML, Helm values, variables), - for such a text on standard input';

/** How a bundle is believed that plugins are taken from. */
export const sourceTrustOptions = {
  'public-key': {
    ...trustOptions['public-key'],
    describe: 'For a bundle as source: public key file of a trusted signer (repeatable)',
  },
  trust: {
    ...trustOptions.trust,
    describe: 'For a bundle as source, and for how high --sequence may be: directory of a trust store',
  },
  'insecure-skip-signature': {
    ...trustOptions['insecure-skip-signature'],
    describe:
      'Take plugins from a bundle that nobody is known to have signed; its word is marked as unverified',
  },
} as const;

/** How texts are read that name plugins. */
export const catalogueOptions = {
  mirror: {
    type: 'string',
    array: true,
    describe:
      'Where to ask for what a text names: HOST[/PATH] for all oci:// references, or FROM=TO for those that ' +
      'begin with FROM (repeatable)',
  },
  'catalogue-type': {
    choices: catalogueKinds,
    describe: 'What a text is, where its name and content do not tell',
  },
  'also-version': {
    type: 'string',
    array: true,
    describe: 'Pack every plugin under this version too, where it is not there yet (repeatable)',
  },
} as const;

interface CatalogueFlags {
  readonly mirror: readonly (string | number)[] | undefined;
  readonly 'catalogue-type': (typeof catalogueKinds)[number] | undefined;
  readonly 'also-version': readonly (string | number)[] | undefined;
}

/** What {@link catalogueOptions} say. */
export function catalogueFrom(
  flags: CatalogueFlags,
): Pick<ExportOptions, 'stdin' | 'mirrors' | 'catalogueKind' | 'alsoVersions'> {
  const alsoVersions = (flags['also-version'] ?? []).map(String);
  for (const version of alsoVersions) if (!isPluginVersion(version)) throw noVersion(version);
  return {
    stdin: process.stdin,
    mirrors: (flags.mirror ?? []).map((text) => parseMirror(String(text))),
    catalogueKind: flags['catalogue-type'],
    alsoVersions,
  };
}

/** Whoever came second would find nothing there, and take that for an answer. */
export function refuseTwoInputs(places: readonly (string | number)[]): void {
  if (places.filter((place) => place === '-').length < 2) return;
  throw new PlugferryError('E_USAGE', 'standard input can be read only once, but - stands in two places', {
    hint: 'Write what is to be read to a file, and name that.',
    details: { found: '-' },
  });
}

const noVersion = (found: string): PlugferryError =>
  new PlugferryError('E_USAGE', `--also-version is "${found}", expected a version like 1.0.0`, {
    hint: 'Write letters, digits, ".", "_", "-" and "+", at most 64 of them.',
    details: { found },
  });

/** More at once than any source is better for. */
const maxJobs = 64;

export function jobsOf(jobs: number): number {
  if (jobs >= 1 && jobs <= maxJobs) return jobs;
  throw new PlugferryError('E_USAGE', `--jobs is ${jobs}, expected 1 to ${maxJobs}`, {
    hint: 'Leave it out: 4 at a time suit most networks.',
    details: { found: jobs },
  });
}

/** Most bytes of a file of patterns or names. */
const maxListBytes = 1024 * 1024;

/**
 * Patterns, and in the place of `@FILE` the lines of that file.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_LIMIT`, `E_USAGE` for a file without any: it would mean everything.
 */
export async function readPatterns(values: readonly (string | number)[]): Promise<string[]> {
  const patterns: string[] = [];
  for (const value of values.map(String)) {
    if (!value.startsWith('@')) patterns.push(value);
    else patterns.push(...(await patternsIn(value.slice(1))));
  }
  return patterns;
}

async function patternsIn(file: string): Promise<string[]> {
  const text = (await readSmallFile(file, 'list of plugins', maxListBytes)).toString('utf8');
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
  if (lines.length > 0) return lines;
  throw new PlugferryError('E_USAGE', `${file} names no plugin`, {
    hint: 'Write one name[@version] a line. Where nothing is left to take, there is nothing to run.',
    details: { file, expected: 'name[@version]', found: 'nothing' },
  });
}

interface NamingFlags {
  readonly as: readonly (string | number)[] | undefined;
  readonly mapping: string | undefined;
}

/** What `--mapping` and `--as` say. */
export async function readNamings({ as = [], mapping }: NamingFlags): Promise<Naming[]> {
  const given = as.map((text) => parseNaming(String(text)));
  if (mapping === undefined) return given;
  const text = (await readSmallFile(mapping, 'mapping', maxListBytes)).toString('utf8');
  return [...parseMapping(text, mapping), ...given];
}

interface FailureFlags {
  readonly failures: string | undefined;
  readonly 'keep-going': boolean;
  readonly force: boolean;
}

/** Finds out before the work, not after it, that the list cannot be written. */
export async function checkFailuresFile(flags: FailureFlags): Promise<void> {
  if (flags.failures === undefined) return;
  if (!flags['keep-going']) {
    throw new PlugferryError('E_USAGE', '--failures needs --keep-going', {
      hint: 'Without it nothing is left out: the first plugin that cannot be had ends the export.',
    });
  }
  await refuseExisting(flags.failures, flags.force);
}

export const describeFailure = ({ name, version, code, message }: ExportFailure): string =>
  `${name}@${version} (${code}): ${message}`;

/** Writes a list that `--plugin @FILE` reads; where nothing was left out, it says so and names nothing. */
export async function writeFailures(
  file: string,
  failures: readonly ExportFailure[],
  force: boolean,
): Promise<void> {
  const lines = failures.map(
    (failure) => `# ${escapeText(describeFailure(failure))}\n${failure.name}@${failure.version}`,
  );
  const head =
    failures.length === 0 ? '# nothing was left out' : '# left out by plugferry export --keep-going';
  await committedFile(file, { force }, (handle) => handle.writeFile(`${[head, ...lines].join('\n')}\n`));
}
