import { PlugferryError } from '../errors.js';
import { maxSignatures } from './bundle.js';

/**
 * The raw signatures of a bundle with one more, ascending by key id. One of the same key is replaced.
 *
 * @throws PlugferryError `E_LIMIT` beyond the most that a bundle holds.
 */
export function withSignature(
  signatures: ReadonlyMap<string, Buffer>,
  keyId: string,
  signature: Buffer,
): ReadonlyMap<string, Buffer> {
  const merged = new Map(signatures).set(keyId, signature);
  if (merged.size <= maxSignatures) return new Map([...merged].sort(([a], [b]) => (a < b ? -1 : 1)));
  throw new PlugferryError(
    'E_LIMIT',
    `the bundle has ${maxSignatures} signatures already, which is the most`,
    {
      hint: 'Export it again and have only those sign who must.',
      details: { expected: maxSignatures },
    },
  );
}
