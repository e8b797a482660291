import { sha256Of } from '../stream/digest.js';
import { compareText, formatPluginId } from '../plugin/plugin.js';
import type { Evidence } from '../release/change.js';
import { parseDocument } from '../schema/parse.js';
import type { Release } from '../schema/release.js';
import type { ShardIndex } from '../schema/shardIndex.js';
import type { ProvingBundle } from './index-document.js';

/** What a release follows. */
export interface Before {
  readonly evidence: Evidence | undefined;
  readonly index: ShardIndex | undefined;
  /** The release that was current. */
  readonly previous: Release | undefined;
}

/**
 * What proves the plugins of a release: the manifests that it names, with all signatures that are known of them: those that
 * came with this change, and those that the index has; and which of their plugins the importer did not take.
 */
export function bundlesOf(release: Release, before: Before): ProvingBundle[] {
  const { evidence, index } = before;
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
    const leftOut = leftOutOf(manifestSha256, release, before);
    return {
      manifestSha256,
      signatures: [...signatures]
        .map(([keyId, signature]) => ({ keyId, signature }))
        .toSorted((a, b) => compareText(a.keyId, b.keyId))
        .slice(0, 16),
      ...(leftOut.length === 0 ? {} : { leftOut }),
    };
  });
}

/** What a bundle offered and the release does not hold, from whatever bundle. */
function leftOutOf(manifestSha256: string, release: Release, before: Before): string[] {
  const held = new Set(release.plugins.map(formatPluginId));
  const offered = offeredBy(manifestSha256, before).filter((plugin) => !held.has(plugin));
  return [...new Set(offered)].toSorted(compareText);
}

function offeredBy(manifestSha256: string, { evidence, index, previous }: Before): string[] {
  if (evidence !== undefined && sha256Of(evidence.manifest) === manifestSha256) {
    // It was verified and parsed before it came here.
    const place = { file: 'manifest.json', code: 'E_INTERNAL', hint: 'Please report this.' } as const;
    return parseDocument('manifest', evidence.manifest, place).plugins.map(formatPluginId);
  }
  const known = index?.releases.find(({ id }) => id === previous?.id)?.bundles ?? [];
  const earlier = known.find((bundle) => bundle.manifestSha256 === manifestSha256)?.leftOut ?? [];
  const kept = (previous?.plugins ?? []).filter((plugin) => plugin.manifestSha256 === manifestSha256);
  return [...earlier, ...kept.map(formatPluginId)];
}
