import { pipeline } from 'node:stream/promises';
import { withChecks, type Authentication, type Trust } from '../verification/authenticate.js';
import { isPlugferryError } from '../errors.js';
import { calledGateway, claimed, refuseUnfit } from '../gateway/compatibility.js';
import { GatewayCheck } from '../gateway/module-check.js';
import { Discard } from '../stream/drain.js';
import {
  isElsewhere,
  isInParts,
  nameOf,
  reachOf,
  type BundlePlace,
  type ReachOptions,
} from '../location/bundle-input.js';
import { checkDigestFile } from '../verification/file-signature.js';
import { progressOf, type ProgressObserver } from '../stream/progress.js';
import type { PartDamage } from '../parts/damage.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { Manifest } from '../schema/manifest.js';
import type { Check } from '../trust/rule-result.js';
import { openVerifiedBundle, type VerifiedBundle } from '../verification/verified-bundle.js';

export interface VerifyOptions extends ReachOptions {
  readonly bundle: BundlePlace;
  /** Told, once, what was missing or damaged in parts and was made again from parity. */
  readonly onRepair?: (repaired: readonly PartDamage[]) => void;
  readonly trust: Trust;
  /** The gateway that is to run the plugins. */
  readonly gateway?: GatewayProfile;
  readonly signal?: AbortSignal;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
  /** @default the clock of this machine */
  readonly clock?: () => Date;
}

/** A bundle of which every byte was checked. */
export interface Verification {
  readonly manifestSha256: string;
  readonly authentication: Authentication;
  readonly manifest: Manifest;
  /** Every rule that was applied, in order, with what was found. */
  readonly checks: readonly Check[];
}

/**
 * Reads every byte of a bundle and writes nothing.
 *
 * @throws PlugferryError of the trust or integrity kinds for the first thing that is not right; once the signatures have
 *   passed, with all checks so far in `details.checks`.
 */
export async function verifyBundle(options: VerifyOptions): Promise<Verification> {
  const { trust, signal, onRepair, clock } = options;
  const reach = { ...reachOf(options), signal, onRepair };
  const bundle = await openVerifiedBundle(options.bundle, { ...reach, trust, clock });
  try {
    const { manifest, manifestSha256, authentication, checks: rules } = bundle;
    const checks = options.gateway === undefined ? rules : checkGateway(manifest, options.gateway, rules);
    const payload = await checkPayload(bundle, checks, options);
    const file = await checkFile(options, [...checks, payload]);
    return { manifestSha256, authentication, manifest, checks: [...checks, payload, ...file] };
  } finally {
    await bundle.close();
  }
}

/** The rules so far, and whether the gateway can run everything by what the manifest claims: that is known before the modules are there. */
function checkGateway(
  { plugins }: Manifest,
  gateway: GatewayProfile,
  before: readonly Check[],
): readonly Check[] {
  try {
    refuseUnfit(claimed(plugins), gateway);
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    throw withChecks(error, [...before, { check: 'gateway', result: 'failed', detail: error.message }]);
  }
  const detail = `${calledGateway(gateway)} can run all ${plugins.length} plugins`;
  return [...before, { check: 'gateway', result: 'passed', detail }];
}

async function checkPayload(
  bundle: VerifiedBundle,
  before: readonly Check[],
  { gateway, onProgress }: VerifyOptions,
): Promise<Check> {
  const { files, plugins } = bundle.manifest;
  const fit = gateway === undefined ? undefined : new GatewayCheck(gateway, plugins);
  try {
    await bundle.payload((_file, body) => pipeline(body, new Discard()), {
      progress: progressOf(onProgress, 'verify'),
      onModule:
        fit &&
        ((ids, module) => {
          fit.take(ids, module);
        }),
    });
    fit?.end();
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    const failed = (check: string): Check => ({ check, result: 'failed', detail: error.message });
    throw error.code === 'E_GATEWAY'
      ? withChecks(error, [...before.filter(({ check }) => check !== 'gateway'), failed('gateway')])
      : withChecks(error, [...before, failed('payload')]);
  }
  const detail = `${files.length} files of ${plugins.length} plugins: size, sha256, md5, module facts`;
  return { check: 'payload', result: 'passed', detail };
}

/** What the digest file says that lies beside a bundle in one file of this machine. */
async function checkFile(
  { bundle, trust, signal, clock = () => new Date() }: VerifyOptions,
  before: readonly Check[],
): Promise<readonly Check[]> {
  if (isElsewhere(bundle) || (await isInParts(bundle))) return [];
  try {
    const found = await checkDigestFile(nameOf(bundle), { trust, now: clock(), signal });
    return found === undefined ? [] : [found];
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    throw withChecks(error, [...before, { check: 'digest file', result: 'failed', detail: error.message }]);
  }
}
