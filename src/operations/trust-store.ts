import { mkdir, readdir } from 'node:fs/promises';
import { effectiveUser } from '../release/this-actor.js';
import { PlugferryError } from '../errors.js';
import { ioError } from '../files/file-errors.js';
import { readPublicKey } from '../trust/key-files.js';
import type { SetPolicy, StoredKey, TrustDocument } from '../schema/trust.js';
import { isLeftover, replacing, withTrustLock } from '../verification/trust-lock.js';
import type { NamedKey } from '../trust/check.js';
import {
  emptyTrust,
  keyNamed,
  withKey,
  withoutBundle,
  withPolicy,
  withRootThreshold,
  withStatus,
} from '../trust/edit.js';
import type { TrustedKey } from '../trust/key.js';
import type { KeyAlgorithm } from '../trust/spki.js';
import { saveStore, soundBytes, type Switch } from '../trust/save.js';
import { shortfalls } from '../trust/store-warnings.js';
import type { Standing } from '../trust/key-status.js';
import {
  knownKeys,
  readTrustDirectory,
  readTrustFile,
  readTrustStore,
  trustFile,
  type TrustStore,
} from '../trust/store.js';
import { type Arrived, readSuccessor } from '../trust/update.js';

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
    await refuseOccupied(directory);
  } catch (error) {
    throw ioError(error, directory);
  }
  return withTrustLock(directory, async (lock) => {
    // Another run may have made one since.
    await refuseOccupied(directory);
    return save(directory, { document, keys: [] }, { force: false, assertHeld: () => lock.assertHeld() });
  });
}

async function refuseOccupied(directory: string): Promise<void> {
  const names = await readdir(directory);
  if (!names.every(isLeftover)) throw notEmpty(directory);
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
  const seen = await arrivalAt(directory, from);
  // Nothing to do also where nothing can be done: on a read-only mount.
  if (seen.outcome === 'unchanged') return reportOf(directory, seen);
  return withTrustLock(directory, async (lock) => {
    const { current, arrived, outcome } = await arrivalAt(directory, from);
    const { next, signatures } = arrived;
    if (outcome === 'updated') {
      const content = { bytes: next.bytes, keys: next.keys, signatures };
      await saveStore(directory, content, replacing(lock, current));
    }
    return reportOf(directory, { current, arrived, outcome });
  });
}

interface Arrival extends Pick<TrustUpdate, 'outcome'> {
  readonly current: TrustStore;
  readonly arrived: Arrived;
}

async function arrivalAt(directory: string, from: string): Promise<Arrival> {
  const current = await openTrustStore(directory);
  const arrived = await readSuccessor(current, from, new Date());
  return { current, arrived, outcome: arrived.next.bytes.equals(current.bytes) ? 'unchanged' : 'updated' };
}

const reportOf = (directory: string, { current, arrived, outcome }: Arrival): TrustUpdate => ({
  outcome,
  previousVersion: current.document.version,
  signedBy: arrived.signers.map(({ keyId, name }) => ({ keyId, name })),
  store: listingOf({ ...arrived.next, directory }),
});

/** Reads, changes and writes while nobody else does: two who change a store at once would each undo what the other did. */
async function edit(
  directory: string,
  change: (document: TrustDocument) => TrustDocument,
  added?: TrustedKey,
): Promise<TrustListing> {
  // A directory that is no store gets no lock.
  await readTrustFile(directory);
  return withTrustLock(directory, async (lock) => {
    const store = await readTrustDirectory(directory);
    const keys = [...store.keys, ...(added === undefined ? [] : [added])];
    return save(directory, { document: change(store.document), keys }, replacing(lock, store));
  });
}

/** A hand-made change has no root signatures; those over the version before fit no more and go. */
async function save(
  directory: string,
  { document, keys }: { readonly document: TrustDocument; readonly keys: readonly TrustedKey[] },
  how: Switch,
): Promise<TrustListing> {
  const bytes = soundBytes(document, trustFile(directory));
  await saveStore(directory, { bytes, keys, signatures: new Map() }, how);
  return listTrust(directory);
}
