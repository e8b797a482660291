import type { ImportOptions, ImportResult, Rendering, ServedPlugin } from '../../../index.js';
import { listPlugins } from '../../../operations/list.js';
import { renderResources } from '../../../operations/render-resources.js';
import { isPlugferryError, PlugferryError } from '../../../errors.js';
import type { Context } from '../../command.js';
import {
  checkDestination,
  putResources,
  renderSettings,
  resourceOptions,
  type ResourceFlags,
} from '../../options/resource.js';

interface ImportFlags extends ResourceFlags {
  readonly 'resources-out': string | undefined;
  readonly force: boolean;
}

/**
 * The resources of a bundle that is about to be imported, or undefined when nobody asked for them. Whatever could refuse them does so
 * here, while the volume is as it was.
 */
export async function renderBeforeImport(
  flags: ImportFlags,
  options: ImportOptions & { readonly signal: AbortSignal },
  { implied }: Pick<Context, 'implied'>,
): Promise<Rendering | undefined> {
  const { 'resources-out': out, force } = flags;
  if (out === undefined) {
    refuseIdle(flags, implied);
    return undefined;
  }
  if ([options.bundle].flat().includes('-')) throw onceOnly();
  if (out === '-' && typeof options.to !== 'string') throw bothToStdout();
  const { bundle, trust, include, access, onRepair, onProgress, signal, sha256 } = options;
  const rendering = await renderResources({
    bundle,
    trust,
    ...(await renderSettings(flags)),
    ...(include === undefined ? {} : { include }),
    served: options.mode === 'replace' ? [] : await servedNow(options),
    access,
    sha256,
    ...(onRepair === undefined ? {} : { onRepair }),
    ...(onProgress === undefined ? {} : { onProgress }),
    signal,
  });
  await checkDestination(rendering, { out, flags, force, signal });
  return rendering;
}

/** What the volume serves already, and goes on serving. */
async function servedNow({ to, access, signal }: ImportOptions): Promise<ServedPlugin[]> {
  if (typeof to !== 'string') return [];
  try {
    const { plugins } = await listPlugins({
      location: to,
      access,
      ...(signal === undefined ? {} : { signal }),
    });
    return plugins.flatMap(({ name, version, sha256 }) =>
      sha256 === undefined ? [] : [{ name, version, sha256 }],
    );
  } catch (error) {
    // A volume that is still to be made, or has no plugins yet.
    if (isPlugferryError(error) && ['E_NOT_FOUND', 'E_SELECTION', 'E_SOURCE'].includes(error.code)) return [];
    throw error;
  }
}

/** Options that would do nothing. What environment and configuration say is meant for whoever asks. */
function refuseIdle(flags: ImportFlags, implied: ReadonlySet<string>): void {
  const given = Object.keys(resourceOptions).find(
    (name) => name !== 'for' && flags[name as keyof ResourceFlags] !== undefined && !implied.has(name),
  );
  if (given === undefined && !flags.force) return;
  throw new PlugferryError('E_USAGE', `--${given ?? 'force'} goes with --resources-out`, {
    hint: 'Say where the WasmPlugin resources of the bundle are to be written: a directory, or "-".',
  });
}

const onceOnly = (): PlugferryError =>
  new PlugferryError('E_USAGE', '--resources-out reads the bundle twice, and standard input comes once', {
    hint: 'Give the bundle as a file, or run "plugferry render resources" on its own.',
  });

interface Imported {
  readonly rendering: Rendering | undefined;
  readonly result: ImportResult;
  readonly flags: ImportFlags;
}

/** Writes what was rendered, now that its modules are served. */
export async function putRendered(
  { rendering, result, flags }: Imported,
  { terminal, signal }: Context,
): Promise<{ readonly json: object; readonly text?: string | undefined }> {
  const { 'resources-out': out, force } = flags;
  if (rendering === undefined || out === undefined) return { json: {} };
  demandSame(rendering, result);
  const { json, text } = await putResources(rendering, { out, flags, force, signal }, terminal);
  return { json: { rendered: json }, text };
}

const bothToStdout = (): PlugferryError =>
  new PlugferryError('E_USAGE', '--resources-out - would mix resources with the YAML of ConfigMaps', {
    hint: 'Name a directory for the resources.',
  });

/** @throws PlugferryError `E_SOURCE_CHANGED` when another bundle was imported than the one that was rendered. */
function demandSame(rendering: Rendering, imported: { readonly manifestSha256: string }): void {
  if (rendering.manifestSha256 === imported.manifestSha256) return;
  throw new PlugferryError(
    'E_SOURCE_CHANGED',
    'the bundle was replaced by another one while it was imported',
    {
      hint: 'It was imported, and no resources were written. Look at it, and run "plugferry render resources".',
    },
  );
}
