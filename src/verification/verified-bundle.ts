import {
  authenticator,
  judge,
  type Authentication,
  type Judgement,
  type Memory,
  type Rules,
  type Trust,
} from './authenticate.js';
import type { ManifestCheck, OpenBundle, SealedBundle } from '../bundle/bundle.js';
import type { BundlePlace, BytesOptions } from '../location/bundle-input.js';
import { sha256Of } from '../stream/digest.js';
import { openBundle } from '../location/open-bundle.js';
import type { Manifest } from '../schema/manifest.js';
import { nowAt, type Moment } from '../trust/dates.js';
import type { Check } from '../trust/rule-result.js';

export interface VerifyingOptions {
  /** Undefined where nobody was named whose signatures are to be there: then only the rules hold that hold for everybody. */
  readonly trust: Trust | undefined;
  /** @default all */
  readonly rules?: Rules | undefined;
  /** @default the clock of this machine */
  readonly clock?: (() => Date) | undefined;
}

/** A manifest whose signatures were checked, and to which all rules were applied that were asked for. */
export interface VerifiedManifest {
  readonly manifest: Manifest;
  /** Its exact bytes. */
  readonly manifestBytes: Buffer;
  readonly manifestSha256: string;
  /** Raw signatures by the key id that each claims. */
  readonly signatures: ReadonlyMap<string, Buffer>;
  readonly authentication: Authentication;
  /** Every rule that was applied, in order, with what was found. */
  readonly checks: readonly Check[];
}

/** A bundle with a {@link VerifiedManifest}; what it carries is proved as {@link payload} reads it. */
export interface VerifiedBundle extends VerifiedManifest {
  readonly payload: OpenBundle<Authentication>['payload'];
  /**
   * Asks everything once more, with what a volume remembers: the latest time that it knows to have passed, and its newest bundles.
   *
   * @throws PlugferryError of the trust kinds, `E_ROLLBACK`.
   */
  judgeAgain(moment: Moment, memory: Memory): Judgement & { readonly authentication: Authentication };
  /** Closes the source. Whoever opened it calls it, whatever happened since. */
  close(): Promise<void>;
}

/**
 * Opens a bundle, wherever it is, checks its signatures over raw bytes, and applies every rule of {@link Trust}: the one way into a
 * bundle for all who ask whom to believe. Nothing is parsed before a signature has passed.
 *
 * @throws PlugferryError of the trust kinds, with all checks so far in `details.checks`; and as {@link openBundle}.
 */
export const openVerifiedBundle = (
  place: BundlePlace,
  { trust, rules, clock, ...bytes }: VerifyingOptions & BytesOptions,
): Promise<VerifiedBundle> => verifiedBundle(() => openBundle(place, bytes), { trust, rules, clock });

/**
 * {@link openVerifiedBundle} for whoever opens it in a way of their own.
 *
 * @throws PlugferryError of the trust kinds, and what `opening` throws.
 */
export async function verifiedBundle(
  opening: () => Promise<SealedBundle>,
  options: VerifyingOptions,
): Promise<VerifiedBundle> {
  const sealed = await opening();
  try {
    const { manifestBytes, signatures } = sealed;
    const open = (check: ManifestCheck<Authentication>): OpenBundle<Authentication> => sealed.open(check);
    const { opened, ...verified } = verify({ manifestBytes, signatures, open }, options);
    return {
      ...verified,
      payload: (receive, progress) => opened.payload(receive, progress),
      judgeAgain: (moment, memory) => judgeAgain(verified, options, { moment, memory }),
      close: () => sealed.close(),
    };
  } catch (error) {
    await sealed.close();
    throw error;
  }
}

/**
 * The same for a manifest that is not in a bundle any more: raw bytes and signatures, and what parses them once they are believed.
 *
 * @throws PlugferryError of the trust kinds, and what `parse` throws.
 */
export function verifiedManifest(
  sealed: Pick<SealedBundle, 'manifestBytes' | 'signatures'>,
  parse: (bytes: Buffer) => Manifest,
  options: VerifyingOptions,
): VerifiedManifest {
  const open = (check: ManifestCheck<Authentication>): OpenManifest => ({
    signer: check(sealed.manifestBytes, sealed.signatures),
    manifest: parse(sealed.manifestBytes),
  });
  return verify({ ...sealed, open }, options);
}

/** A sealed bundle, or what is left of one. */
interface Opening<Opened> extends Pick<SealedBundle, 'manifestBytes' | 'signatures'> {
  readonly open: (check: ManifestCheck<Authentication>) => Opened;
}
type OpenManifest = Pick<OpenBundle<Authentication>, 'signer' | 'manifest'>;

function verify<Opened extends OpenManifest>(
  sealed: Opening<Opened>,
  { trust, rules, clock = () => new Date() }: VerifyingOptions,
): VerifiedManifest & { readonly opened: Opened } {
  const moment = { clock: clock() };
  const { manifestBytes, signatures } = sealed;
  const opened = sealed.open(authenticator(trust, moment.clock));
  const { manifest, signer: authentication } = opened;
  const manifestSha256 = sha256Of(manifestBytes);
  const { checks } = judge(trust, { manifest, manifestSha256, authentication, moment }, { rules });
  return { manifest, manifestBytes, manifestSha256, signatures, authentication, checks, opened };
}

/** A key that was valid by the clock may not be by what the volume knows to have passed. */
function judgeAgain(
  { manifest, manifestBytes, manifestSha256, signatures }: VerifiedManifest,
  { trust, rules }: VerifyingOptions,
  { moment, memory }: { readonly moment: Moment; readonly memory: Memory },
): Judgement & { readonly authentication: Authentication } {
  const authentication = authenticator(trust, nowAt(moment))(manifestBytes, signatures);
  const subject = { manifest, manifestSha256, authentication, moment };
  return { ...judge(trust, subject, { rules, memory }), authentication };
}
