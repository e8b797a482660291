import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { documentBytes } from '../../src/schema/parse.js';
import type { SetPolicy, StoredKey, TrustDocument } from '../../src/schema/trust.js';
import { saveStore } from '../../src/trust/save.js';
import { readTrustDirectory, type TrustStore } from '../../src/trust/store.js';
import { testKey, type TestKey } from './keys.js';

/** A key as it stands in a store; what is left out is active, and named after its role. */
export interface Entrusted extends Partial<StoredKey> {
  readonly key: TestKey;
  readonly role: string;
}

export interface StoreParts extends Partial<Omit<TrustDocument, 'keys' | 'sets'>> {
  readonly keys: readonly Entrusted[];
  readonly sets?: Readonly<Record<string, SetPolicy>>;
}

/** Needs one key of each role. */
export const oneOfEach = (...roles: readonly string[]): SetPolicy => ({
  require: roles.map((role) => ({ role, threshold: 1 })),
});

export function trustDocument({ keys, sets = {}, ...rest }: StoreParts): TrustDocument {
  const stored = keys.map(({ key, role, name = `${role}-${key.keyId.slice(0, 8)}`, ...facts }) => {
    const { status = 'active', notBefore, notAfter } = facts;
    const dates = {
      ...(notBefore === undefined ? {} : { notBefore }),
      ...(notAfter === undefined ? {} : { notAfter }),
    };
    return [key.keyId, { name, role, status, ...dates }] as const;
  });
  return {
    type: 'plugferry.trust/v1',
    version: 1,
    rootThreshold: 1,
    ...rest,
    keys: Object.fromEntries(stored),
    sets: { ...sets },
    revokedManifests: rest.revokedManifests ?? [],
  };
}

/** Writes a trust store into a directory, signed by `roots`. */
export async function putStore(
  directory: string,
  parts: StoreParts,
  roots: readonly TestKey[] = [],
): Promise<string> {
  const bytes = documentBytes(trustDocument(parts));
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await saveStore(directory, {
    bytes,
    keys: parts.keys.map(({ key }) => key.trusted),
    signatures: new Map(roots.map((key) => [key.keyId, key.sign(bytes)])),
  });
  return directory;
}

/** {@link putStore}, read back as a receiver has it. */
export const storeIn = async (directory: string, parts: StoreParts): Promise<TrustStore> =>
  readTrustDirectory(await putStore(join(directory, 'trust'), parts));

/** Keys by name. */
export async function testKeys<const Name extends string>(
  ...names: readonly Name[]
): Promise<Record<Name, TestKey>> {
  const made = await Promise.all(names.map(async (name) => [name, await testKey(name)] as const));
  return Object.fromEntries(made) as Record<Name, TestKey>;
}
