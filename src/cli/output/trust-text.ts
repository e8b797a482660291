import type { Check, ListedKey, PlugferryError, SetPolicy, TrustListing } from '../../index.js';
import { facts, table } from './table.js';

/** What all of a trust store is about; what `trust.json` holds has these fields, too. */
type Store = Pick<TrustListing, 'version' | 'rootThreshold' | 'sets' | 'revokedManifests'>;

export function storeFacts({ version, rootThreshold, revokedManifests }: Store): string {
  return facts([
    ['version', String(version)],
    ['updates need', `${rootThreshold} of role root`],
    ['revoked bundles', revokedManifests.length === 0 ? 'none' : revokedManifests.join(', ')],
  ]);
}

/** A key as the table shows it. */
export interface KeyRow extends Pick<ListedKey, 'keyId' | 'name' | 'role' | 'notBefore' | 'notAfter'> {
  readonly standing: string;
}

export function keyTable(keys: readonly KeyRow[]): string {
  const rows = keys.map(({ role, name, keyId, standing, notBefore, notAfter }) => [
    role,
    name,
    keyId.slice(0, 16),
    standing,
    notBefore ?? '-',
    notAfter ?? '-',
  ]);
  return table(['ROLE', 'NAME', 'KEY', 'STANDING', 'NOT BEFORE', 'NOT AFTER'], rows);
}

export function policyTable({ sets }: Pick<Store, 'sets'>): string {
  const rows = Object.entries(sets).map(([set, policy]) => [set, ...policyCells(policy)]);
  return table(['SET', 'NEEDS', 'AUDIENCE', 'MAX AGE', 'SEQUENCES', 'EPOCH', 'DOWNGRADE'], rows);
}

function policyCells(policy: SetPolicy): string[] {
  const { require, audience, maxAgeDays, minSequence, maxSequence, epoch, allowDowngrade } = policy;
  return [
    require.map(({ role, threshold }) => `${role}=${threshold}`).join(','),
    audience ?? '-',
    maxAgeDays === undefined ? '-' : `${maxAgeDays} d`,
    minSequence === undefined && maxSequence === undefined
      ? '-'
      : `${minSequence ?? ''}..${maxSequence ?? ''}`,
    epoch === undefined ? '-' : String(epoch),
    allowDowngrade === true ? 'permitted' : 'refused',
  ];
}

/** Every check with its result. */
export const checkTable = (checks: readonly Check[]): string =>
  table(
    ['CHECK', 'RESULT', 'DETAIL'],
    checks.map(({ check, result, detail }) => [check, result === 'failed' ? 'FAILED' : result, detail]),
  );

/** The checks that an error of `verify` or `import` brings along. */
export const checksOf = ({ details }: PlugferryError): readonly Check[] =>
  Array.isArray(details['checks']) ? (details['checks'] as readonly Check[]) : [];
