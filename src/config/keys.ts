import { PlugferryError } from '../errors.js';
import { alikeOnes } from '../plugin/similarity.js';
import type { Settings } from '../schema/config.js';

const topKeys = ['type', 'defaults', 'environments'];

/** Every option that may stand in a configuration file; a test compares it with the schema. */
export const settingKeys = [
  'trust',
  'public-key',
  'signing-key',
  'passphrase-file',
  'signed-by',
  'to',
  'safe-directory',
  'set',
  'audience',
  'expires-in',
  'gateway-profile',
  'mapping',
  'mirror',
  'base-url',
  'namespace',
  'kubeconfig',
  'context',
  'jobs',
  'split-size',
  'parity',
  'keep',
  'host',
  'port',
  'host-key',
  'identity',
  'known-hosts',
  'ssh-config',
  'ssh-password-file',
  'ssh-passphrase-file',
  'proxy',
  'ca-file',
  'client-cert',
  'client-key',
  'http-token-file',
] as const satisfies readonly (keyof Settings)[];

/** From here on a name is taken for a misspelling of another. */
const alike = 0.5;
const quoteLength = 80;

/** Says what a key was to be called, which the schema cannot. What is no mapping at all is left to the schema. */
export function refuseUnknownKeys(value: unknown, file: string): void {
  refuseOthers(value, topKeys, { file, place: '' });
  const { defaults, environments } = isMapping(value) ? value : {};
  refuseOthers(defaults, settingKeys, { file, place: 'defaults.' });
  if (!isMapping(environments)) return;
  for (const [name, settings] of Object.entries(environments))
    refuseOthers(settings, settingKeys, { file, place: `environments.${name}.` });
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

interface Spot {
  readonly file: string;
  readonly place: string;
}

function refuseOthers(value: unknown, known: readonly string[], { file, place }: Spot): void {
  if (!isMapping(value)) return;
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const name = `${place}${unknown}`.slice(0, quoteLength);
  throw new PlugferryError('E_CONFIG', `${file}: there is no setting "${name}"`, {
    hint: advice(unknown, known),
    details: { file, found: name },
  });
}

function advice(unknown: string, known: readonly string[]): string {
  const nearest = nearestTo(unknown, known);
  const meant = nearest === undefined ? '' : `Did you mean "${nearest}"? `;
  if (/pass(?:word|phrase)|secret|token/i.test(unknown)) {
    return `${meant}A secret has no place in this file: name a file that holds it, or give it in the environment.`;
  }
  return `${meant}Known are: ${known.join(', ')}. Switches and commands stand on the command line only.`;
}

const nearestTo = (name: string, known: readonly string[]): string | undefined =>
  alikeOnes(name.toLowerCase().replaceAll('_', '-'), known, alike)[0];

export function unknownEnvironment(file: string, name: string, known: readonly string[]): PlugferryError {
  const nearest = nearestTo(name, known);
  const meant = nearest === undefined ? '' : `Did you mean "${nearest}"? `;
  const there = known.length === 0 ? 'It has none.' : `It has: ${known.join(', ')}.`;
  return new PlugferryError('E_CONFIG', `${file} has no environment "${name}"`, {
    hint: `${meant}${there}`,
    details: { file, expected: known.join(', '), found: name },
  });
}
