import { dirname, resolve } from 'node:path';
import { PlugferryError } from '../errors.js';
import { exposureOf } from '../files/writable-by-others.js';
import { readSmallFile } from '../files/open-regular.js';
import type { Config, Settings } from '../schema/config.js';
import { writtenDocument } from '../schema/parse.js';
import { parseYaml } from '../schema/yaml.js';
import { refuseUnknownKeys, unknownEnvironment } from './keys.js';
import { refuseSecrets, resolved, type SettingValue } from './values.js';

/** An option that the file gives a value. */
export interface Setting {
  readonly value: SettingValue;
  /** Where in the file: `defaults` or `environments.<name>`. */
  readonly place: string;
}

/** What a configuration file says for one environment. */
export interface Settled {
  /** The file, as it was named. */
  readonly file: string;
  /** The one that was chosen. */
  readonly environment: string | undefined;
  /** Every environment in the file. */
  readonly environments: readonly string[];
  /** By the name of the option. */
  readonly settings: ReadonlyMap<keyof Settings, Setting>;
}

export interface ConfigRequest {
  readonly file: string;
  /** @default only what is said for all */
  readonly environment?: string | undefined;
  /** The user of this process; undefined where there are none. */
  readonly uid: number | undefined;
}

const maxConfigBytes = 1024 * 1024;
const hint = 'schemas/config.schema.json says what may stand there, and examples/plugferry.yaml shows it.';

/**
 * Reads a configuration file. It says, among other things, whom to trust, so nobody else may be able to change it.
 *
 * @throws PlugferryError `E_CONFIG`, `E_NOT_FOUND`, `E_LIMIT`, `E_IO`.
 */
export async function readConfig({ file, environment, uid }: ConfigRequest): Promise<Settled> {
  const bytes = await readSmallFile(file, 'configuration', maxConfigBytes);
  const exposure = await exposureOf(file, uid);
  if (exposure !== undefined) throw exposed(exposure.place, exposure.found);
  const { defaults = {}, environments = {} } = parseConfig(bytes, file);
  const names = Object.keys(environments);
  const chosen = environment === undefined ? {} : environmentIn(environments, environment);
  if (chosen === undefined) throw unknownEnvironment(file, environment ?? '', names);
  const base = dirname(resolve(file));
  const settings = new Map<keyof Settings, Setting>();
  for (const [place, values] of [
    ['defaults', defaults],
    [`environments.${environment ?? ''}`, chosen],
  ] as const) {
    for (const key of Object.keys(values) as (keyof Settings)[]) {
      const value = values[key];
      if (value !== undefined) settings.set(key, { value: resolved(key, value, base), place });
    }
  }
  return { file, environment, environments: names, settings };
}

/** Names that every object has are no environments. */
const environmentIn = (
  environments: Readonly<Record<string, Settings>>,
  name: string,
): Settings | undefined => (Object.hasOwn(environments, name) ? environments[name] : undefined);

function parseConfig(bytes: Buffer, file: string): Config {
  const context = { file, code: 'E_CONFIG', hint } as const;
  const [part, another] = parseYaml(textOf(bytes, file), context);
  if (part === undefined || another !== undefined) {
    const found = part === undefined ? 'empty' : 'more than one document';
    throw new PlugferryError('E_CONFIG', `${file}: ${found}, expected one document`, {
      hint,
      details: { file, found },
    });
  }
  refuseUnknownKeys(part.value, file);
  const config = writtenDocument('config', part.value, context);
  refuseSecrets(config, file);
  return config;
}

function textOf(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PlugferryError('E_CONFIG', `${file}: not a text in UTF-8`, { hint, details: { file }, cause });
  }
}

const exposed = (place: string, found: string): PlugferryError =>
  new PlugferryError('E_CONFIG', `${place}: ${found}; who can change it decides whom you trust`, {
    hint: `Make it yours alone to change: chown it to yourself and chmod go-w "${place}", or mount it read-only.`,
    details: { file: place, found },
  });
