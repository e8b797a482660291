import type { SetPolicy, TrustListing } from '../../index.js';
import { PlugferryError } from '../../errors.js';
import type { Outcome } from '../command.js';
import type { OptionTable } from '../option-table.js';
import type { Terminal } from '../output/terminal.js';
import { keyTable, policyTable, storeFacts } from '../output/trust-text.js';

export const storeDirectory = {
  dir: { type: 'string', demandOption: true, describe: 'Directory of the trust store' },
} as const satisfies OptionTable;

export const dismissedKey = {
  ...storeDirectory,
  key: {
    type: 'string',
    demandOption: true,
    describe: 'Name of the key, its id, or the first 8 characters of that',
  },
} as const satisfies OptionTable;

/** `dev=1,qa=2` as rules. */
export function requiredRoles(text: string): SetPolicy['require'] {
  return text.split(',').map((rule) => {
    const [, role, count] = /^\s*([^=\s]+)=([1-9]\d?)\s*$/.exec(rule) ?? [];
    if (role !== undefined && count !== undefined) return { role, threshold: Number(count) };
    throw new PlugferryError('E_USAGE', `--require: "${rule}" is not role=number`, {
      hint: 'Name each role with the number of distinct keys that must sign, at least 1: dev=1,qa=1',
      details: { found: rule },
    });
  });
}

/** A trust store as result; what cannot work is said aloud. */
export function storeOutcome(listing: TrustListing, terminal: Terminal): Outcome {
  for (const warning of listing.warnings) terminal.warn(warning);
  return {
    json: listing,
    text: [storeFacts(listing), '', keyTable(listing.keys), '', policyTable(listing)].join('\n'),
  };
}
