import { PlugferryError } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import { gatewayProfiles } from '../schema/gateway-profiles.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import { parseLooseDocument } from '../schema/parse.js';

/** The largest one that comes with the program has some 20 KiB. */
const maxProfileBytes = 1024 * 1024;

/** Names of the profiles that come with the program, and the other names that some have. */
export const profileNames: readonly string[] = gatewayProfiles
  .flatMap(({ name, aliases = [] }) => [name, ...aliases])
  .sort();

/**
 * The profile of a gateway: one that comes with the program, by its name, or a file of the user's own (anything with a `/` or
 * `.json` in it).
 *
 * @throws PlugferryError `E_USAGE` for a name or file that is none, `E_NOT_FOUND`, `E_LIMIT`.
 */
export async function readGatewayProfile(nameOrFile: string): Promise<GatewayProfile> {
  if (/[/\\]|\.json$/.test(nameOrFile)) return profileFile(nameOrFile);
  const found = gatewayProfiles.find(
    ({ name, aliases = [] }) => name === nameOrFile || aliases.includes(nameOrFile),
  );
  if (found !== undefined) return found;
  throw new PlugferryError('E_USAGE', `there is no gateway profile "${nameOrFile}"`, {
    hint: `Give one of ${profileNames.join(', ')}, or the path of a profile file of your own (./my-gateway.json).`,
    details: { found: nameOrFile, expected: profileNames.join(', ') },
  });
}

const profileFile = async (file: string): Promise<GatewayProfile> =>
  parseLooseDocument('gatewayProfile', await readSmallFile(file, 'gateway profile', maxProfileBytes), {
    file,
    code: 'E_USAGE',
    hint: 'Copy one of examples/gateway-profiles and change its lists; schemas/gateway-profile.schema.json is the format.',
  });
