import type { GatewayProfile } from '../../index.js';
import { profileNames, readGatewayProfile } from '../../gateway/profile.js';
import type { OptionTable } from '../option-table.js';

/** The option of every command that can ask whether a gateway is able to run the plugins. */
export const gatewayOptions = {
  'gateway-profile': {
    type: 'string',
    describe: `Refuse plugins that this gateway cannot run: ${profileNames.join(', ')}, or a profile file`,
  },
} as const satisfies OptionTable;

/** The profile that the option names, as an option of a verb. */
export async function gatewayFrom(flags: {
  readonly 'gateway-profile': string | undefined;
}): Promise<{ gateway?: GatewayProfile }> {
  const { 'gateway-profile': name } = flags;
  return name === undefined ? {} : { gateway: await readGatewayProfile(name) };
}
