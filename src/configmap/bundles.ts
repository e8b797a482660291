import { sha256Of } from '../io/digest.js';
import { compareText } from '../plugin/plugin.js';
import type { Evidence } from '../release/change.js';
import type { Release } from '../schema/release.js';
import type { ShardIndex } from '../schema/shardIndex.js';
import type { ProvingBundle } from './index-document.js';

/**
 * What proves the plugins of a release: the manifests that it names, with all signatures that are known of them: those that
 * came with this change, and those that the index has.
 */
export function bundlesOf(
  release: Release,
  evidence: Evidence | undefined,
  index: ShardIndex | undefined,
): ProvingBundle[] {
  const brought = evidence === undefined ? undefined : sha256Of(evidence.manifest);
  const named = new Set(release.plugins.flatMap(({ manifestSha256 }) => manifestSha256 ?? []));
  return [...named].toSorted(compareText).map((manifestSha256) => {
    const signatures = new Map<string, string>();
    for (const { bundles } of index?.releases ?? []) {
      const known = bundles.find((bundle) => bundle.manifestSha256 === manifestSha256);
      for (const { keyId, signature } of known?.signatures ?? []) signatures.set(keyId, signature);
    }
    if (evidence !== undefined && brought === manifestSha256) {
      for (const [keyId, signature] of evidence.signatures)
        signatures.set(keyId, Buffer.from(signature).toString('base64'));
    }
    return {
      manifestSha256,
      signatures: [...signatures]
        .map(([keyId, signature]) => ({ keyId, signature }))
        .toSorted((a, b) => compareText(a.keyId, b.keyId))
        .slice(0, 16),
    };
  });
}
