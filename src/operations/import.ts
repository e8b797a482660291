import { pipeline } from 'node:stream/promises';
import { thisActor } from '../release/this-actor.js';
import type { Authentication, Judgement, Trust } from '../verification/authenticate.js';
import { claimed, refuseUnfit } from '../gateway/compatibility.js';
import { GatewayCheck } from '../gateway/module-check.js';
import { changeTarget, type ConfigMapTarget } from '../location/configmap-target.js';
import { Discard } from '../stream/drain.js';
import { isRemote } from '../location/location.js';
import { type ProgressObserver, progressOf } from '../stream/progress.js';
import { escapeText } from '../stream/text.js';
import { type BundlePlace, reachOf, type ReachOptions } from '../location/bundle-input.js';
import type { PartDamage } from '../parts/damage.js';
import { parsePluginPath, pluginFileNames, pluginPath } from '../plugin/layout.js';
import { formatPluginId } from '../plugin/plugin.js';
import { select } from '../plugin/selection.js';
import type { ReleaseChange } from '../release/change.js';
import { type Merged, mergePlugins } from '../release/merge.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { Manifest } from '../schema/manifest.js';
import type { Origin, ReleasePlugin } from '../schema/release.js';
import type { SeenBundle } from '../schema/state.js';
import type { Check } from '../trust/rule-result.js';
import { openVerifiedBundle, type VerifiedBundle } from '../verification/verified-bundle.js';
import { atVolume } from '../location/volume-access.js';
import { changeVolume } from '../volume/change.js';
import { stagingOf } from '../volume/control.js';

export interface ImportOptions extends ReachOptions {
  readonly bundle: BundlePlace;
  /** Told, once, what was missing or damaged in parts and was made again from parity. */
  readonly onRepair?: (repaired: readonly PartDamage[]) => void;
  /** Directory of the volume, here or `sftp://USER@HOST/PATH`, made when it does not exist; or ConfigMaps. */
  readonly to: string | ConfigMapTarget;
  readonly trust: Trust;
  /** `merge` adds to what is current, `replace` makes the volume hold exactly the bundle. @default merge */
  readonly mode?: 'merge' | 'replace';
  /** Patterns `name[@version]` with `*` and `?` of what to take of the bundle; none means everything. */
  readonly include?: readonly string[];
  /** Let the bytes behind an existing name and version change. @default false */
  readonly allowOverwrite?: boolean;
  /**
   * Take a bundle that is older than one of its set that was seen here. With a trust store, only where the policy of the
   * set permits it. Logged, and marks the release. @default false
   */
  readonly allowDowngrade?: boolean;
  /** The gateway that is to run the plugins; those that it cannot run are refused before any of it is published. */
  readonly gateway?: GatewayProfile;
  /** Directories on the way to the volume, or itself, that others may write and the operator vouches for; logged. */
  readonly safeDirectories?: readonly string[];
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
  /** @default the clock of this machine */
  readonly clock?: () => Date;
}

export interface ImportResult {
  readonly volume: string;
  /** `unchanged`: the volume held exactly this already. The bundle was read to its end and proved all the same. */
  readonly outcome: 'published' | 'unchanged';
  /** Id of the release that is current now. */
  readonly release: string;
  /** Id of the release that was current before. */
  readonly previous: string | undefined;
  readonly manifestSha256: string;
  readonly set: string;
  readonly sequence: number;
  /** Bytes of all files of the bundle, unpacked. */
  readonly totalSize: number;
  readonly authentication: Authentication;
  /** Every rule of trust that was applied, in order, with what was found. */
  readonly checks: readonly Check[];
  readonly changes: Omit<Merged, 'plugins'>;
  /** Names of the WasmPlugin resources in the bundle: checked like all of it, and not applied to anything. */
  readonly resources: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Verifies a bundle and makes it the current release of a volume, all or nothing: signatures and policy are checked before
 * the volume is touched, once more with what the volume has seen, and every byte before anything of it can be seen by a
 * reader.
 *
 * @throws PlugferryError of the trust and integrity kinds, `E_ROLLBACK`, `E_CONFLICT`, `E_LOCKED`, `E_NO_SPACE`, `E_IO`.
 */
export async function importBundle(options: ImportOptions): Promise<ImportResult> {
  const { signal, trust, onRepair, to, access, clock = () => new Date() } = options;
  const bundle = await openVerifiedBundle(options.bundle, {
    ...reachOf(options),
    signal,
    onRepair,
    trust,
    clock,
    ...(typeof to === 'string' && !isRemote(to) ? { scratch: await stagingOf(to) } : {}),
  });
  try {
    if (options.gateway !== undefined) {
      const wanted = select(bundle.manifest.plugins, { include: options.include ?? [], exclude: [] });
      refuseUnfit(claimed(wanted), options.gateway);
    }
    const incoming = { bundle, options };
    if (typeof to !== 'string') {
      return await changeTarget(to, { clock, signal }, (change) => apply(change, incoming, clock()));
    }
    const volume = {
      actor: thisActor(),
      clock,
      safeDirectories: options.safeDirectories ?? [],
      ...(signal === undefined ? {} : { signal }),
    };
    return await atVolume(to, { access, signal }, ({ root, files }) =>
      changeVolume(root, { ...volume, ...(files === undefined ? {} : { files }) }, (change) =>
        apply(change, incoming, clock()),
      ),
    );
  } finally {
    await bundle.close();
  }
}

interface Incoming {
  readonly bundle: VerifiedBundle;
  readonly options: ImportOptions;
}

async function apply(change: ReleaseChange, incoming: Incoming, clock: Date): Promise<ImportResult> {
  const { bundle, options } = incoming;
  const { manifest, manifestBytes, manifestSha256, signatures } = bundle;
  const { authentication, checks, downgrade } = judgeHere(change, incoming, clock);
  const offered = releasePlugins(manifest, manifestSha256, authentication);
  const taken = select(offered, { include: options.include ?? [], exclude: [] });
  const { plugins, ...changes } = mergePlugins(change.current?.plugins ?? [], taken, options);
  // Also where all of it is here already: a damaged copy is no bundle, whatever is in the volume.
  await receive(change, taken, incoming);
  const facts = bundleFacts(manifest, manifestSha256);
  const found = [
    ...(downgrade === undefined ? [] : [downgrade]),
    ...selectionWarning(options, offered.length - taken.length),
  ];
  const warnings = [...change.warnings, ...found];
  const published = await change.publish({
    plugins,
    origin: originOf({ bundle: facts, authentication, options, warnings, downgrade }),
    evidence: { manifest: manifestBytes, signatures },
    ...(authentication.skipped ? {} : { seen: floorAfter(change, facts, downgrade) }),
  });
  return {
    volume: typeof options.to === 'string' ? options.to : options.to.store.location,
    outcome: published.outcome,
    release: published.release.id,
    previous: published.previous,
    manifestSha256,
    set: manifest.set,
    sequence: manifest.sequence,
    totalSize: manifest.totalSize,
    authentication,
    checks,
    changes,
    resources: (manifest.resources ?? []).map(({ name }) => name),
    warnings: [...published.warnings, ...found],
  };
}

/** A server of ConfigMaps cannot tell such a choice from an attack. */
const selectionWarning = ({ to }: ImportOptions, leftOut: number): string[] =>
  leftOut === 0 || typeof to === 'string'
    ? []
    : [
        `${leftOut} plugins of the bundle are left out: serve --from-configmaps takes such a release only with --allow-selection; ` +
          'better have a bundle made of the others (export --plugin)',
      ];

/** The same questions as before the lock, with the memory of the volume: its newest bundles, and its latest known time. */
function judgeHere(
  change: ReleaseChange,
  { bundle, options }: Incoming,
  clock: Date,
): Judgement & { readonly authentication: Authentication } {
  const { allowDowngrade = false } = options;
  const moment = { clock, lastSeen: change.state.lastSeenCreatedAt };
  return bundle.judgeAgain(moment, { seen: seenBy(change, bundle.manifest), allowDowngrade });
}

const seenBy = ({ state }: ReleaseChange, { set }: Pick<Manifest, 'set'>): SeenBundle | undefined =>
  state.sets.find((seen) => seen.set === set);

/** What the volume is to remember. A downgrade leaves the floor where it is, and only tells how late it is. */
function floorAfter(change: ReleaseChange, facts: OriginBundle, downgrade: string | undefined): SeenBundle {
  const seen = seenBy(change, facts);
  return downgrade === undefined || seen === undefined ? facts : { ...seen, createdAt: facts.createdAt };
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

/** Reads the whole payload, which proves it, and keeps what is taken and the volume does not have yet. */
async function receive(
  change: ReleaseChange,
  taken: readonly ReleasePlugin[],
  { bundle, options }: Incoming,
): Promise<void> {
  const { gateway } = options;
  const fit = gateway === undefined ? undefined : new GatewayCheck(gateway, taken);
  const needed = new Set(await change.prepare(taken.flatMap(({ files }) => files)));
  await bundle.payload(
    async (file, body) => {
      const parsed = parsePluginPath(file.path);
      if (parsed === undefined || !needed.delete(file.sha256)) {
        await pipeline(body, new Discard());
        return;
      }
      if (parsed.file === 'plugin.wasm') options.notify?.(`unpacking ${formatPluginId(parsed.id)}`);
      await change.receive(file, body);
    },
    {
      progress: progressOf(options.onProgress, 'unpack'),
      onModule:
        fit &&
        ((plugins, module) => {
          fit.take(plugins, module);
        }),
    },
  );
  fit?.end();
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
  readonly authentication: Authentication;
  readonly options: ImportOptions;
  readonly warnings: readonly string[];
  readonly downgrade: string | undefined;
}

function originOf({ bundle, authentication, options, warnings, downgrade }: OriginParts): Origin {
  return {
    kind: 'import',
    mode: options.mode ?? 'merge',
    bundle,
    signers: authentication.signers.map(({ keyId, name, role }) => ({
      keyId,
      name: escapeText(name),
      ...(role === undefined ? {} : { role }),
    })),
    ...(authentication.skipped ? { unsigned: true } : {}),
    ...(downgrade === undefined ? {} : { downgrade: true }),
    ...(warnings.length === 0 ? {} : { warnings: warnings.map(escapeText) }),
  };
}
