import type { RegistryAccess } from '../../index.js';
import type { OptionTable } from '../option-table.js';
import { dockerCredentials } from './docker-config.js';

/** Options of every command that can fetch from a registry. */
export const registryOptions = {
  'plain-http': {
    type: 'boolean',
    default: false,
    describe: 'Speak http to registries (oci://): anybody on the way may read the login and what is fetched',
  },
} as const satisfies OptionTable;

/** How the options say that registries are reached; logins are those of "docker login". */
export const registriesFrom = (flags: { readonly 'plain-http': boolean }): RegistryAccess => ({
  plainHttp: flags['plain-http'],
  credentialsFor: dockerCredentials,
});
