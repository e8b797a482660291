import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { sha256Of } from '../stream/digest.js';
import type { Evidence } from '../release/change.js';
import type { Release } from '../schema/release.js';
import type { FileSystem } from '../files/file-system.js';
import { ensureDirectory, exists, linkOrCopy, makeDirectory } from './disk.js';
import { linkInTheWay } from './failure.js';
import { isSha256, releaseDirectory } from './layout.js';
import type { OpenVolume } from './open-volume.js';
import { isOurs } from './ownership.js';

/** Where the manifests that a release refers to can be had. */
export interface EvidenceSources {
  readonly release: Release;
  /** What came with this change. */
  readonly evidence: Evidence | undefined;
  /** The release whose plugins are carried on, with their evidence. */
  readonly previous: string | undefined;
}

/** `evidence/<sha256 of manifest.json>/` in a release directory. */
const evidenceDirectory = (release: string, manifestSha256: string): string =>
  join(release, 'evidence', manifestSha256);

/** Puts manifest and signatures of every bundle that `release` refers to into its directory. */
export async function bringEvidence(
  volume: OpenVolume,
  { release, evidence, previous }: EvidenceSources,
  directory: string,
): Promise<void> {
  const { files } = volume.layout;
  const named = new Set(release.plugins.flatMap(({ manifestSha256 }) => manifestSha256 ?? []));
  const brought = evidence === undefined ? undefined : sha256Of(evidence.manifest);
  for (const manifestSha256 of named) {
    const target = evidenceDirectory(directory, manifestSha256);
    if (evidence !== undefined && brought === manifestSha256) {
      if (await exists(files, target)) await addSignatures(volume, target, evidence);
      else await install(volume, target, (draft) => writeEvidence(files, draft, evidence));
    } else if (previous !== undefined && !(await exists(files, target))) {
      const source = evidenceDirectory(releaseDirectory(volume.layout, previous), manifestSha256);
      if (await exists(files, source))
        await install(volume, target, (draft) => carryEvidence(volume, source, draft));
    }
  }
}

/** One rename, so that a manifest is never there without its signatures. */
async function install(
  volume: OpenVolume,
  target: string,
  fill: (draft: string) => Promise<void>,
): Promise<void> {
  const { files } = volume.layout;
  const draft = join(volume.run, randomUUID());
  await makeDirectory(files, draft);
  await makeDirectory(files, join(draft, 'signatures'));
  await fill(draft);
  await files.syncDirectory(join(draft, 'signatures'));
  await files.syncDirectory(draft);
  await ensureDirectory(files, dirname(target));
  await files.rename(draft, target);
  await files.syncDirectory(dirname(target));
}

/** The same manifest, countersigned since. */
async function addSignatures(volume: OpenVolume, target: string, { signatures }: Evidence): Promise<void> {
  const { files } = volume.layout;
  for (const [keyId, signature] of signatures) {
    const path = join(target, 'signatures', `${keyId}.sig`);
    if (!isSha256(keyId) || (await exists(files, path))) continue;
    const draft = join(volume.run, randomUUID());
    await files.writeNew(draft, [signature]);
    await files.rename(draft, path);
  }
  await files.syncDirectory(join(target, 'signatures'));
}

async function writeEvidence(
  files: FileSystem,
  draft: string,
  { manifest, signatures }: Evidence,
): Promise<void> {
  await files.writeNew(join(draft, 'manifest.json'), [manifest]);
  for (const [keyId, signature] of signatures) {
    // A key id becomes a file name.
    if (isSha256(keyId)) await files.writeNew(join(draft, 'signatures', `${keyId}.sig`), [signature]);
  }
}

async function carryEvidence(
  { features, lock, layout: { files } }: OpenVolume,
  source: string,
  draft: string,
): Promise<void> {
  const signatures = await files.readdir(join(source, 'signatures'));
  for (const path of ['manifest.json', ...signatures.map((name) => join('signatures', name))]) {
    const from = join(source, path);
    const stats = await files.lstat(from);
    if (!stats.isFile()) throw linkInTheWay(from);
    const hardLinks = features.hardLinks && isOurs(stats, lock.uid);
    await linkOrCopy({ hardLinks, files }, from, join(draft, path));
  }
}
