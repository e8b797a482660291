import { resolve } from 'node:path';
import { PlugferryError } from '../errors.js';
import type { Config, Settings } from '../schema/config.js';

/** Settings that are paths of files or directories. */
const paths: ReadonlySet<keyof Settings> = new Set([
  'trust',
  'public-key',
  'signing-key',
  'passphrase-file',
  'signed-by',
  'mapping',
  'safe-directory',
  'kubeconfig',
  'identity',
  'known-hosts',
  'ssh-config',
  'ssh-password-file',
  'ssh-passphrase-file',
  'ca-file',
  'client-cert',
  'client-key',
  'http-token-file',
]);

/** A value as the option wants it: paths no longer depend on where the file lies. */
export function resolved(key: keyof Settings, value: SettingValue, base: string): SettingValue {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return value.map((each) => (isPath(key, each) ? resolve(base, each) : each));
  return isPath(key, value) ? resolve(base, value) : value;
}

function isPath(key: keyof Settings, value: string): boolean {
  if (paths.has(key)) return true;
  // Anything else is sftp://host/path, configmap:namespace/name and the like.
  if (key === 'to') return !/^[a-z][a-z0-9+.-]+:/i.test(value);
  return key === 'gateway-profile' && (/\.json$/i.test(value) || value.includes('/'));
}

/** @throws PlugferryError `E_CONFIG` for an address with a password in it, which it does not repeat. */
export function refuseSecrets({ defaults = {}, environments = {} }: Config, file: string): void {
  for (const [place, settings] of [['defaults', defaults], ...Object.entries(environments)] as const) {
    for (const [key, value] of Object.entries(settings) as [string, SettingValue][]) {
      if (![value].flat().some((each) => holdsPassword(String(each)))) continue;
      throw new PlugferryError('E_CONFIG', `${file}: ${place}.${key} has a password in it`, {
        hint: 'Take it out, and change it: whoever can read this file knows it. Name a file that holds it, or give it in the environment.',
        details: { file, found: `${place}.${key}` },
      });
    }
  }
}

const holdsPassword = (text: string): boolean => URL.canParse(text) && new URL(text).password !== '';

/** A value of an option, as it stands in the file; paths are absolute. */
export type SettingValue = string | number | readonly string[];
