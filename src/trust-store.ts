import { mkdir, readdir } from 'node:fs/promises';
import { effectiveUser } from './actor.js';
import { isPlugferryError, PlugferryError } from './errors.js';
import { ioError } from './io/failure.js';
import { readPublicKey } from './keys.js';
import { documentBytes } from './schema/parse.js';
import type { SetPolicy, StoredKey, TrustDocument } from './schema/trust.js';
import type { NamedKey } from './trust/check.js';
import {
  emptyTrust,
  keyNamed,
  withKey,
  withoutBundle,
  withPolicy,
  withRootThreshold,
  withStatus,
} from './trust/edit.js';
import type { KeyAlgorithm, TrustedKey } from './trust/key.js';
import { saveStore } from './trust/save.js';
import { shortfalls } from './trust/shortfall.js';
import type { Standing } from './trust/standing.js';
import {
  knownKeys,
  parseTrust,
  readTrustDirectory,
  readTrustStore,
  trustFile,
  type TrustStore,
} from './trust/store.js';
import { readSuccessor } from './trust/update.js';

/** A key of a trust store, for people. */
export interface ListedKey extends StoredKey {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  /** Whether it counts now, and if not, why. */
  readonly standing: Standing;
}

/** What a trust store holds. */
export interface TrustListing {
  readonly directory: string;
  readonly version: number;
  readonly rootThreshold: number;
  /** Ascending by role, then name. */
  readonly keys: readonly ListedKey[];
  readonly sets: Readonly<Record<string, SetPolicy>>;
  readonly revokedManifests: readonly string[];
  /** What cannot work as it stands, such as a role that no valid key has. */
  readonly warnings: readonly string[];
}

/**
 * Reads a trust store to decide by it.
 *
 * @throws PlugferryError `E_TRUST_MISSING` when there is none, `E_TRUST_STORE` when it is damaged or others could change it.
 */
export const openTrustStore = (directory: string): Promise<TrustStore> =>
  readTrustStore(directory, effectiveUser());

/** What a trust store holds, whoever may change it. */
export const listTrust = async (directory: string): Promise<TrustListing> =>
  listingOf(await readTrustDirectory(directory));

function listingOf(store: TrustStore): TrustListing {
  const { directory, document } = store;
  const now = new Date();
  const keys = knownKeys(store, now).flatMap(({ keyId, algorithm, standing = 'active' }): ListedKey[] => {
    const stored = document.keys[keyId];
    return stored === undefined ? [] : [{ keyId, algorithm, standing, ...stored }];
  });
  return {
    directory,
    version: document.version,
    rootThreshold: document.rootThreshold,
    keys: keys.toSorted((a, b) => (`${a.role} ${a.name}` < `${b.role} ${b.name}` ? -1 : 1)),
    sets: document.sets,
    revokedManifests: document.revokedManifests,
    warnings: shortfalls(store, now),
  };
}

/**
 * Makes an empty trust store, which refuses every bundle until it has keys and a policy.
 *
 * @param rootThreshold how many root keys must sign an update.
 * @throws PlugferryError `E_EXISTS`, `E_IO`.
 */
export async function initTrust(directory: string, rootThreshold = 1): Promise<TrustListing> {
  const document = emptyTrust(rootThreshold);
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    if ((await readdir(directory)).length > 0) throw notEmpty(directory);
  } catch (error) {
    throw ioError(error, directory);
  }
  return save(directory, document, []);
}

/** Files named like keys would be taken for remains of an older version and removed. */
const notEmpty = (directory: string): PlugferryError =>
  new PlugferryError(
    'E_EXISTS',
    `${directory} is not empty, expected a directory for the trust store alone`,
    {
      hint: 'Name a new directory; a trust store that is there already is changed with "trust add" and "trust set".',
      details: { file: directory },
    },
  );

export interface AddKeyOptions extends Pick<StoredKey, 'name' | 'role' | 'notBefore' | 'notAfter'> {
  readonly publicKeyFile: string;
  /** Replace name, role and dates of a key that is there already. @default false */
  readonly replace?: boolean;
}

/** @throws PlugferryError `E_KEY`, `E_EXISTS`, `E_KEY_REVOKED`, `E_TRUST_STORE`, and as {@link listTrust}. */
export async function addTrustedKey(directory: string, options: AddKeyOptions): Promise<TrustListing> {
  const { publicKeyFile, replace = false, name, role, notBefore, notAfter } = options;
  const key = await readPublicKey(publicKeyFile);
  const stored: StoredKey = {
    name,
    role,
    status: 'active',
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(notAfter === undefined ? {} : { notAfter }),
  };
  return edit(directory, (document) => withKey(document, [key.keyId, stored], { replace }), key);
}

/**
 * Makes a key count no more.
 *
 * @param key its name, its id, or the beginning of that.
 * @param status `retired` for one that is no longer used, `revoked` for one that is no longer to be believed.
 * @throws PlugferryError `E_NOT_FOUND`, `E_KEY_REVOKED`, and as {@link listTrust}.
 */
export const dismissTrustedKey = (
  directory: string,
  key: string,
  status: 'retired' | 'revoked',
): Promise<TrustListing> =>
  edit(directory, (document) => withStatus(document, keyNamed(document, key), status));

/**
 * Makes or changes the policy of a plugin set; what `change` does not name stays.
 *
 * @throws PlugferryError `E_USAGE`, `E_TRUST_STORE` when the result is no sound policy, and as {@link listTrust}.
 */
export const setTrustPolicy = (
  directory: string,
  set: string,
  change: Partial<SetPolicy>,
): Promise<TrustListing> => edit(directory, (document) => withPolicy(document, set, change));

/** Refuses a bundle from now on, by the SHA-256 of its manifest. */
export const revokeBundle = (directory: string, manifestSha256: string): Promise<TrustListing> =>
  edit(directory, (document) => withoutBundle(document, manifestSha256));

/** Sets how many root keys must sign an update. */
export const setRootThreshold = (directory: string, rootThreshold: number): Promise<TrustListing> =>
  edit(directory, (document) => withRootThreshold(document, rootThreshold));

export interface TrustUpdate {
  readonly outcome: 'updated' | 'unchanged';
  readonly previousVersion: number;
  /** Root keys of the store that was there, which signed the new one. */
  readonly signedBy: readonly NamedKey[];
  readonly store: TrustListing;
}

/**
 * Replaces a trust store by its successor: signed by enough of its root keys, and never older.
 *
 * @param from directory with the new `trust.json`, its `<key id>.pub` and the signatures as `<key id>.sig`.
 * @throws PlugferryError as {@link openTrustStore} and {@link readSuccessor}.
 */
export async function updateTrust(directory: string, from: string): Promise<TrustUpdate> {
  const current = await openTrustStore(directory);
  const { next, signatures, signers } = await readSuccessor(current, from, new Date());
  const unchanged = next.bytes.equals(current.bytes);
  if (!unchanged) await saveStore(directory, { bytes: next.bytes, keys: next.keys, signatures });
  return {
    outcome: unchanged ? 'unchanged' : 'updated',
    previousVersion: current.document.version,
    signedBy: signers.map(({ keyId, name }) => ({ keyId, name })),
    store: listingOf({ ...next, directory }),
  };
}

async function edit(
  directory: string,
  change: (document: TrustDocument) => TrustDocument,
  added?: TrustedKey,
): Promise<TrustListing> {
  const store = await readTrustDirectory(directory);
  return save(directory, change(store.document), [...store.keys, ...(added === undefined ? [] : [added])]);
}

/** A hand-made change has no root signatures; those over the version before fit no more and go. */
async function save(
  directory: string,
  document: TrustDocument,
  keys: readonly TrustedKey[],
): Promise<TrustListing> {
  const bytes = documentBytes(document);
  refuseUnsound(bytes, trustFile(directory));
  await saveStore(directory, { bytes, keys, signatures: new Map() });
  return listTrust(directory);
}

/** What a reader would refuse must not be written; here it is the caller's mistake. */
function refuseUnsound(bytes: Buffer, file: string): void {
  try {
    parseTrust(bytes, file);
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    throw new PlugferryError('E_USAGE', `nothing was changed: ${error.message}`, {
      hint:
        'Roles, sets and audiences have lower-case letters, digits, ".", "_" and "-"; names of keys are printable ASCII, at ' +
        'most 64 characters; thresholds go from 1 to 16.',
      details: error.details,
      cause: error,
    });
  }
}
