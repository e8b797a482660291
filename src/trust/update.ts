import { readdir } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import { checkSignatures, describeKey, type KnownKey } from './check.js';
import { signatureFile } from './save.js';
import { maxSignatureBytes } from '../plugin/limits.js';
import { knownKeys, readTrustDirectory, readTrustFile, trustFile, type TrustStore } from './store.js';

/** Most signature files beside a trust.json. */
const maxRootSignatures = 16;

/** A trust store that arrived, with the root keys that vouch for it. */
export interface Arrived {
  readonly next: TrustStore;
  readonly signatures: ReadonlyMap<string, Buffer>;
  readonly signers: readonly KnownKey[];
}

/**
 * Reads the trust store that is to follow `current`, and proves that it may: enough root keys of the current store signed its
 * exact bytes, before they are parsed; should it name other roots, enough of those did, too; and its version is higher.
 *
 * @param directory trust.json, `<key id>.pub`, and signatures as `<key id>.sig`.
 * @throws PlugferryError `E_TRUST_MISSING`, `E_UNSIGNED`, `E_SIGNATURE_INVALID`, `E_POLICY` when too few roots signed,
 *   `E_TRUST_STORE`, `E_ROLLBACK`, `E_EQUIVOCATION` for other bytes of the same version.
 */
export async function readSuccessor(current: TrustStore, directory: string, now: Date): Promise<Arrived> {
  const file = trustFile(directory);
  const bytes = await readTrustFile(directory);
  const signatures = await readSignatures(directory);
  const claim = { bytes, signatures, file };
  const signers = rootSigners(current, claim, now);
  const next = await readTrustDirectory(directory);
  if (!next.bytes.equals(bytes)) throw changedMeanwhile(file);
  if (rootsOf(next) !== rootsOf(current)) rootSigners(next, claim, now);
  refuseOlder(current, next);
  return { next, signatures, signers };
}

async function readSignatures(directory: string): Promise<Map<string, Buffer>> {
  const names = (await readdir(directory)).filter((name) => /^[0-9a-f]{64}\.sig$/.test(name)).sort();
  if (names.length > maxRootSignatures) {
    throw new PlugferryError('E_LIMIT', `${directory} holds more than ${maxRootSignatures} signatures`, {
      hint: 'Leave only those of the root keys.',
      details: { file: directory, expected: maxRootSignatures, found: names.length },
    });
  }
  const signatures = new Map<string, Buffer>();
  for (const keyId of names.map((name) => name.slice(0, 64))) {
    const path = signatureFile(directory, keyId);
    signatures.set(keyId, await readSmallFile(path, 'signature', maxSignatureBytes));
  }
  return signatures;
}

interface Claim {
  readonly bytes: Buffer;
  readonly signatures: ReadonlyMap<string, Buffer>;
  readonly file: string;
}

/** The distinct root keys of `store` that signed; fewer than its threshold are refused. */
function rootSigners(store: TrustStore, { bytes, signatures, file }: Claim, now: Date): readonly KnownKey[] {
  const { rootThreshold } = store.document;
  const known = knownKeys(store, now).filter(({ role }) => role === 'root');
  if (known.length === 0) throw noRoots(store);
  if (signatures.size === 0) throw unsigned(file);
  const { signers } = checkSignatures(bytes, signatures, known);
  if (signers.length >= rootThreshold) return signers;
  const found = signers.map(describeKey).join(', ');
  throw new PlugferryError(
    'E_POLICY',
    `${file} needs ${rootThreshold} root signatures of ${store.directory}, found ${signers.length}: ${found}`,
    {
      hint: `Have more root keys sign it (plugferry sign ${file} --signing-key KEY): ${known.map(describeKey).join(', ')}.`,
      details: { file, expected: rootThreshold, found: signers.length },
    },
  );
}

/** Everything that decides who may sign the next update. */
const rootsOf = ({ document }: TrustStore): string =>
  JSON.stringify([
    document.rootThreshold,
    Object.entries(document.keys).filter(([, { role, status }]) => role === 'root' && status === 'active'),
  ]);

function refuseOlder(current: TrustStore, next: TrustStore): void {
  const [expected, found] = [current.document.version, next.document.version];
  const details = { file: trustFile(next.directory), expected, found };
  if (found < expected) {
    throw new PlugferryError(
      'E_ROLLBACK',
      `${details.file} is version ${found}, but ${current.directory} is at version ${expected} already`,
      {
        hint: 'A trust store never goes back: it would believe again what was revoked. Take the newest one.',
        details,
      },
    );
  }
  if (found === expected && !next.bytes.equals(current.bytes)) {
    throw new PlugferryError(
      'E_EQUIVOCATION',
      `${details.file} is another version ${found} than the one in ${current.directory}`,
      {
        hint: 'Two stores claim the same version. Find out which is right and have it signed with a higher one.',
        details,
      },
    );
  }
}

const noRoots = ({ directory }: TrustStore): PlugferryError =>
  new PlugferryError('E_POLICY', `${directory} has no root key, so nobody may update it`, {
    hint: 'Whoever owns the directory adds one: plugferry trust add DIR root.pub --name NAME --role root',
    details: { file: directory },
  });

const unsigned = (file: string): PlugferryError =>
  new PlugferryError('E_UNSIGNED', `${file} is not signed: no <key id>.sig stands beside it`, {
    hint: `Have root keys sign it: plugferry sign ${file} --signing-key ROOT.key`,
    details: { file },
  });

const changedMeanwhile = (file: string): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', `${file} changed while it was checked`, {
    hint: 'Let whoever writes it finish, then run the same command again.',
    details: { file },
  });
