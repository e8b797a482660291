import type { SettingValue, Settled } from '../../../index.js';
import { settingKeys } from '../../../config/keys.js';
import { withoutCredentials } from '../../../http/address.js';
import { command } from '../../command.js';
import type { OptionTable } from '../../option-table.js';
import { impliedValues } from '../../settings.js';
import { facts, table } from '../../output/table.js';

export default command({
  name: 'config show',
  describe: 'Show every setting that counts, from the --config file and the environment; no secrets',
  positionals: {},
  options: {
    origins: { type: 'boolean', default: false, describe: 'Say where each comes from' },
  },
  examples: [
    ['--config plugferry.yaml', 'What holds for all environments'],
    ['--config plugferry.yaml --env prod --origins', 'What holds in prod, and where it is said'],
  ],
  async run({ origins }, { settled }) {
    const settings = [...settingsOf(settled), ...secretsOf(process.env)];
    const { file, environment, environments = [] } = settled ?? {};
    const rows = settings.map(({ name, value, origin }) => [
      name,
      [value ?? '(set, not shown)'].flat().join(', '),
      ...(origins ? [origin] : []),
    ]);
    return {
      json: {
        file: file ?? null,
        environment: environment ?? null,
        environments,
        settings: settings.map(({ origin, ...setting }) => ({ ...setting, ...(origins ? { origin } : {}) })),
      },
      text: [
        facts([
          ['file', file ?? 'none; --config names one'],
          ['environment', environment ?? 'none; --env chooses one'],
          ['there are', environments.length === 0 ? 'none' : environments.join(', ')],
        ]),
        '',
        rows.length === 0
          ? 'Nothing is set.'
          : table(['SETTING', 'VALUE', ...(origins ? ['FROM'] : [])], rows),
      ].join('\n'),
    };
  },
});

interface Shown {
  readonly name: string;
  /** Null for a secret. */
  readonly value: SettingValue | null;
  readonly origin: string;
}

/** Of which type an option is does not matter here. */
const everySetting: OptionTable = Object.fromEntries(settingKeys.map((key) => [key, { type: 'string' }]));

const settingsOf = (settled: Settled | undefined): Shown[] =>
  [...impliedValues(everySetting, settled)].map(([name, { value, origin }]) => ({
    name,
    value: origin.startsWith('PLUGFERRY_') ? shown(value) : value,
    origin,
  }));

/** What a variable holds may be an address with a password; the file was searched for such. */
const shown = (value: SettingValue): SettingValue =>
  typeof value === 'string' ? withoutCredentials(value) : value;

const secretVariable = /^PLUGFERRY_\w*(?:PASSPHRASE|PASSWORD|SECRET|TOKEN)$/;

/** That there is a secret in the environment is worth knowing; which one is not. */
const secretsOf = (environment: NodeJS.ProcessEnv): Shown[] =>
  Object.keys(environment)
    .filter((name) => secretVariable.test(name))
    .sort()
    .map((name) => ({
      name: name.slice('PLUGFERRY_'.length).toLowerCase().replaceAll('_', '-'),
      value: null,
      origin: name,
    }));
