import type { ErrorCode } from '../errors.js';

/**
 * The exit code of every error code. A code without a row does not compile.
 *
 * 0 is success; 20 (differences or findings) and 9 (partial success) are outcomes, not errors, and are set by the
 * commands that know them.
 */
export const exitCodes = {
  E_INTERNAL: 1,
  E_USAGE: 2,
  E_NOT_FOUND: 2,
  E_SELECTION: 2,
  E_KEY: 2,
  E_PASSPHRASE: 2,
  E_SIGN_COMMAND: 2,
  E_CONTAINER: 3,
  E_GZIP: 3,
  E_MANIFEST: 3,
  E_DIGEST: 3,
  E_LIMIT: 3,
  E_METADATA: 3,
  E_SOURCE: 3,
  E_SOURCE_CHANGED: 3,
  E_RELEASE: 3,
  E_PARTS: 3,
  E_TRUST_MISSING: 4,
  E_UNSIGNED: 4,
  E_SIGNER_UNKNOWN: 4,
  E_SIGNATURE_INVALID: 4,
  E_TRUST_STORE: 4,
  E_KEY_REVOKED: 4,
  E_KEY_EXPIRED: 4,
  E_KEY_NOT_YET_VALID: 4,
  E_POLICY_MISSING: 4,
  E_POLICY: 4,
  E_AUDIENCE: 4,
  E_EPOCH: 4,
  E_EXPIRED: 4,
  E_CLOCK: 4,
  E_BUNDLE_REVOKED: 4,
  E_EQUIVOCATION: 4,
  E_FORMAT_VERSION: 5,
  E_WASM: 5,
  E_GATEWAY: 5,
  E_EXISTS: 6,
  E_CONFLICT: 6,
  E_LOCKED: 6,
  E_ROLLBACK: 6,
  E_IO: 7,
  E_NO_SPACE: 7,
  E_FILESYSTEM: 7,
  E_LISTEN: 7,
  E_NETWORK: 8,
  E_INTERRUPTED: 130,
  E_TERMINATED: 143,
} as const satisfies Record<ErrorCode, number>;

/** What each exit code means, in the order of the README's table. */
export const exitMeanings: Readonly<Record<number, string>> = {
  0: 'done, or nothing to do',
  1: 'a defect of Plugferry itself',
  2: 'wrong usage, configuration, key file, signing command or selection',
  3: 'integrity: malformed or damaged bundle, tree or file; a limit exceeded',
  4: 'trust: unsigned, unknown or invalid signature, key or bundle out of use, policy not met',
  5: 'incompatible: bundle format of another version, or a module that the gateway cannot load',
  6: 'conflict: other bytes under a name and version, older bundle, output exists, locked',
  7: 'target I/O: space, permission, file system, port; the volume is unchanged',
  8: 'network: no answer, a broken connection or an unexpected status; run the same command again',
  9: 'partial success: "export --keep-going" left out what it could not have',
  20: '"diff --exit-code" found differences',
  130: 'interrupted (Ctrl-C); nothing half written is left',
  143: 'terminated (SIGTERM); nothing half written is left',
};
