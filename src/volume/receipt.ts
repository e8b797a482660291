import { join } from 'node:path';
import { PlugferryError } from '../errors.js';
import type { FileSystem } from '../files/file-system.js';
import { compareText } from '../plugin/plugin.js';
import { releaseByPrefix } from '../release/select.js';
import { formatTime } from '../release/time.js';
import type { Release } from '../schema/release.js';
import type { HistoryEntry } from '../schema/state.js';
import { readAudit, type AuditEntry } from './audit.js';
import { orIfMissing } from './disk.js';
import { volumeFailure } from './failure.js';
import { releaseDirectory, type VolumeLayout } from './layout.js';
import { readParts } from './read.js';
import type { ReadVolume } from './read-volume.js';
import { soundRelease } from './sound.js';

/** What a volume took in, as a document that can be signed and carried back to where the bundle came from. */
export interface Receipt {
  readonly type: 'plugferry.receipt/v1';
  readonly issuedAt: string;
  readonly volume: string;
  readonly release: Release;
  /** Whether the release is what the volume serves now. */
  readonly current: boolean;
  /** When it became current, oldest first. */
  readonly activations: readonly HistoryEntry[];
  /** Manifests and signatures kept with it, ascending. */
  readonly evidence: readonly { readonly manifestSha256: string; readonly keyIds: readonly string[] }[];
  /** Lines of the audit log about it, oldest first. */
  readonly audit: readonly AuditEntry[];
  /** What could not be read of the audit log. */
  readonly warnings?: readonly string[];
}

export interface ReceiptOptions {
  /** Beginning of a release id. @default the current release */
  readonly release?: string;
  /** @default now */
  readonly issuedAt?: Date;
}

/** @throws PlugferryError `E_NOT_FOUND` when there is no such release, and as {@link readVolume}. */
export async function receipt(
  root: string,
  options: ReceiptOptions = {},
  files?: FileSystem,
): Promise<Receipt> {
  const volume = await readParts(root, files);
  const { layout, tree, state } = volume;
  const release = await wanted(volume, options.release);
  return {
    type: 'plugferry.receipt/v1',
    issuedAt: formatTime(options.issuedAt ?? new Date()),
    volume: layout.root,
    release,
    current: tree.kind === 'release' && tree.id === release.id,
    activations: state.history.filter((entry) => entry.release === release.id),
    ...(await recordOf(layout, release.id)),
  };
}

type RecordOfRelease = Pick<Receipt, 'evidence' | 'audit' | 'warnings'>;

/** @throws PlugferryError `E_RELEASE` for a link in the place of evidence or of the audit log, `E_IO`. */
async function recordOf(layout: VolumeLayout, id: string): Promise<RecordOfRelease> {
  try {
    const { entries, warnings } = await readAudit(layout, ({ release }) => release === id);
    return {
      evidence: await evidenceOf(layout, id),
      audit: entries,
      ...(warnings.length === 0 ? {} : { warnings }),
    };
  } catch (error) {
    throw volumeFailure(error, layout.root);
  }
}

async function wanted(volume: ReadVolume, prefix: string | undefined): Promise<Release> {
  const { complete, damaged } = volume.releases;
  if (prefix !== undefined) {
    const id = releaseByPrefix(prefix, [...complete.keys(), ...damaged.keys()]);
    const found = complete.get(id);
    if (found !== undefined) return found;
    throw damaged.get(id) ?? nothingHere(volume);
  }
  const current = await soundRelease(volume);
  if (current === undefined) throw nothingHere(volume);
  return current;
}

async function evidenceOf(layout: VolumeLayout, id: string): Promise<Receipt['evidence']> {
  const { files } = layout;
  const directory = join(releaseDirectory(layout, id), 'evidence');
  const manifests = (await orIfMissing(files.readdir(directory), [])).toSorted(compareText);
  return Promise.all(
    manifests.map(async (manifestSha256) => {
      const names = await orIfMissing(files.readdir(join(directory, manifestSha256, 'signatures')), []);
      return {
        manifestSha256,
        keyIds: names.map((name) => name.replace(/\.sig$/, '')).toSorted(compareText),
      };
    }),
  );
}

function nothingHere({ layout }: ReadVolume): PlugferryError {
  return new PlugferryError('E_NOT_FOUND', `${layout.root}: nothing was imported here yet`, {
    hint: '"plugferry import BUNDLE --to DIRECTORY" makes a release; a plain tree has no receipt.',
    details: { file: layout.root },
  });
}
