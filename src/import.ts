import { pipeline } from 'node:stream/promises';
import { thisActor } from './actor.js';
import { authenticator, type Authentication, type Trust } from './authenticate.js';
import type { OpenBundle, SealedBundle } from './bundle/bundle.js';
import { openBundleFile } from './bundle/open-file.js';
import { sha256Of } from './io/digest.js';
import { Discard } from './io/discard.js';
import { escapeText } from './io/text.js';
import { parsePluginPath, pluginFileNames, pluginPath } from './plugin/layout.js';
import { formatPluginId } from './plugin/plugin.js';
import type { Manifest } from './schema/manifest.js';
import type { Origin, ReleasePlugin } from './schema/release.js';
import { changeVolume } from './volume/change.js';
import { mergePlugins, type Merged } from './volume/merge.js';
import type { VolumeChange } from './volume/volume.js';

export interface ImportOptions {
  /** Path of a bundle file. */
  readonly bundle: string;
  /** Directory of the volume; made when it does not exist. */
  readonly to: string;
  readonly trust: Trust;
  /** `merge` adds to what is current, `replace` makes the volume hold exactly the bundle. @default merge */
  readonly mode?: 'merge' | 'replace';
  /** Let the bytes behind an existing name and version change. @default false */
  readonly allowOverwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
}

export interface ImportResult {
  readonly volume: string;
  /** `unchanged`: the volume held exactly this already. */
  readonly outcome: 'published' | 'unchanged';
  /** Id of the release that is current now. */
  readonly release: string;
  /** Id of the release that was current before. */
  readonly previous: string | undefined;
  readonly manifestSha256: string;
  readonly set: string;
  readonly sequence: number;
  readonly authentication: Authentication;
  readonly changes: Omit<Merged, 'plugins'>;
  readonly warnings: readonly string[];
}

/**
 * Verifies a bundle and makes it the current release of a volume, all or nothing: the signature is checked before the
 * volume is touched, every byte before anything of it can be seen by a reader.
 *
 * @throws PlugferryError of the trust and integrity kinds, `E_CONFLICT`, `E_LOCKED`, `E_NO_SPACE`, `E_IO`.
 */
export async function importBundle(options: ImportOptions): Promise<ImportResult> {
  const sealed = await openBundleFile(options.bundle, options.signal);
  try {
    const opened = sealed.open(authenticator(options.trust));
    const actor = thisActor();
    const volume = { actor, ...(options.signal === undefined ? {} : { signal: options.signal }) };
    return await changeVolume(options.to, volume, (change) => apply(change, { sealed, opened, options }));
  } finally {
    await sealed.close();
  }
}

interface Incoming {
  readonly sealed: SealedBundle;
  readonly opened: OpenBundle<Authentication>;
  readonly options: ImportOptions;
}

async function apply(change: VolumeChange, { sealed, opened, options }: Incoming): Promise<ImportResult> {
  const { manifest, signer } = opened;
  const manifestSha256 = sha256Of(sealed.manifestBytes);
  const { plugins, ...changes } = mergePlugins(
    change.current?.plugins ?? [],
    releasePlugins(manifest, manifestSha256, signer),
    options,
  );
  const nothingNew =
    changes.added.length + changes.replaced.length + changes.updated.length + changes.removed.length === 0;
  // The signed manifest says that all of this is here already, and it is: the payload need not be read.
  if (!nothingNew || !(await change.intact())) await receive(change, opened, options);
  const bundle = bundleFacts(manifest, manifestSha256);
  const published = await change.publish({
    plugins,
    origin: originOf({ bundle, signer, mode: options.mode ?? 'merge', warnings: change.warnings }),
    evidence: { manifest: sealed.manifestBytes, signatures: sealed.signatures },
    ...(signer.skipped ? {} : { seen: bundle }),
  });
  return {
    volume: options.to,
    outcome: published.outcome,
    release: published.release.id,
    previous: published.previous,
    manifestSha256,
    set: manifest.set,
    sequence: manifest.sequence,
    authentication: signer,
    changes,
    warnings: change.warnings,
  };
}

type OriginBundle = NonNullable<Origin['bundle']>;

/** The plugins of a manifest as a release lists them, each bound to the bundle that brought it. */
function releasePlugins(
  manifest: Manifest,
  manifestSha256: string,
  { skipped }: Authentication,
): ReleasePlugin[] {
  const files = new Map(manifest.files.map((file) => [file.path, file]));
  return manifest.plugins.map(({ name, version }) => ({
    name,
    version,
    manifestSha256,
    ...(skipped ? { unsigned: true } : {}),
    files: pluginFileNames.flatMap((fileName) => {
      const file = files.get(pluginPath({ name, version }, fileName));
      return file === undefined
        ? []
        : [{ name: fileName, size: file.size, sha256: file.sha256, md5: file.md5 }];
    }),
  }));
}

/** Reads the whole payload, which proves it, and keeps what the volume does not have yet. */
async function receive(
  change: VolumeChange,
  opened: OpenBundle<unknown>,
  options: ImportOptions,
): Promise<void> {
  const stored = opened.manifest.files.filter(({ path }) => parsePluginPath(path) !== undefined);
  const needed = new Set(await change.prepare(stored));
  await opened.payload(async (file, body) => {
    const parsed = parsePluginPath(file.path);
    if (parsed === undefined || !needed.delete(file.sha256)) {
      await pipeline(body, new Discard());
      return;
    }
    if (parsed.file === 'plugin.wasm') options.notify?.(`unpacking ${formatPluginId(parsed.id)}`);
    await change.receive(file, body);
  });
}

const bundleFacts = (manifest: Manifest, manifestSha256: string): OriginBundle => ({
  manifestSha256,
  set: manifest.set,
  epoch: manifest.epoch,
  sequence: manifest.sequence,
  createdAt: manifest.createdAt,
});

interface OriginParts {
  readonly bundle: OriginBundle;
  readonly signer: Authentication;
  readonly mode: 'merge' | 'replace';
  readonly warnings: readonly string[];
}

function originOf({ bundle, signer, mode, warnings }: OriginParts): Origin {
  return {
    kind: 'import',
    mode,
    bundle,
    signers: signer.signers.map(({ keyId, name }) => ({ keyId, name: escapeText(name) })),
    ...(signer.skipped ? { unsigned: true } : {}),
    ...(warnings.length === 0 ? {} : { warnings: warnings.map(escapeText) }),
  };
}
