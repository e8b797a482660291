import type { SettingValue, Settled } from '../index.js';
import { PlugferryError } from '../errors.js';
import { type OptionTable, variable } from './option-table.js';
import type { Globals } from './globals.js';

/**
 * What the file says that the command line or the environment names. No file is looked for: a directory that somebody else has
 * filled must not decide whom we trust.
 *
 * @throws PlugferryError as {@link readConfig}, `E_USAGE` for an environment without a file.
 */
export async function settledFrom({ config, env, asks }: Globals): Promise<Settled | undefined> {
  if (asks) return undefined;
  if (config !== undefined && config !== '') {
    // Loaded where it is needed: most command lines name no file.
    const { readConfig } = await import('../config/config.js');
    return readConfig({ file: config, environment: env, uid: process.getuid?.() });
  }
  if (env === undefined) return undefined;
  throw new PlugferryError('E_USAGE', `--env ${env} needs --config`, {
    hint:
      `Name the file that has this environment: --config plugferry.yaml, or ${variable('config')}. It is not read by itself: ` +
      'whoever can put a file where you work would decide whom you trust.',
    details: { found: env },
  });
}

/** Where an option has its value from, when it is not the command line. */
export interface Implied {
  readonly value: SettingValue;
  /** `PLUGFERRY_TRUST`, or `plugferry.yaml: environments.prod`. */
  readonly origin: string;
}

/**
 * Values of the declared text and number options that the environment gives (`PLUGFERRY_<OPTION>`), and else the configuration
 * file. Switches are not taken from there: a forgotten variable must not disable a check. Other variables with the prefix are
 * none of our business.
 */
export function impliedValues(
  options: OptionTable,
  settled: Settled | undefined,
): ReadonlyMap<string, Implied> {
  const found = new Map<string, Implied>();
  const settings: ReadonlyMap<string, { value: SettingValue; place: string }> =
    settled?.settings ?? new Map();
  for (const [key, option] of Object.entries(options)) {
    if (option.type === 'boolean') continue;
    const said = process.env[variable(key)];
    const setting = settings.get(key);
    if (said !== undefined) found.set(key, { value: said, origin: variable(key) });
    else if (setting !== undefined)
      found.set(key, { value: setting.value, origin: `${settled?.file ?? ''}: ${setting.place}` });
  }
  return found;
}

/** Whether a value is the one that was implied, and so need not have been given for this command. */
export const isImplied = (implied: Implied | undefined, value: unknown): boolean =>
  implied !== undefined && words(implied.value) === words(value);

const words = (value: unknown): string => JSON.stringify([value].flat().map(String));
