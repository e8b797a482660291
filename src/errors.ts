/**
 * Every way in which Plugferry refuses or fails. Codes are public API: scripts and tests match them, never the wording.
 * The exit code of each stands in `exit-codes.ts`.
 */
export type ErrorCode =
  // wrong call or configuration
  | 'E_USAGE'
  | 'E_CONFIG'
  | 'E_NOT_FOUND'
  | 'E_SELECTION'
  | 'E_KEY'
  | 'E_EXPOSED'
  | 'E_PASSPHRASE'
  | 'E_SIGN_COMMAND'
  | 'E_LOGIN'
  | 'E_SECRET'
  | 'E_VARIABLES'
  // integrity
  | 'E_CONTAINER'
  | 'E_GZIP'
  | 'E_MANIFEST'
  | 'E_DIGEST'
  | 'E_LIMIT'
  | 'E_METADATA'
  | 'E_SOURCE'
  | 'E_SOURCE_CHANGED'
  | 'E_RELEASE'
  | 'E_PARTS'
  // trust
  | 'E_TRUST_MISSING'
  | 'E_UNSIGNED'
  | 'E_SIGNER_UNKNOWN'
  | 'E_SIGNATURE_INVALID'
  | 'E_TRUST_STORE'
  | 'E_KEY_REVOKED'
  | 'E_KEY_EXPIRED'
  | 'E_KEY_NOT_YET_VALID'
  | 'E_POLICY_MISSING'
  | 'E_POLICY'
  | 'E_AUDIENCE'
  | 'E_EPOCH'
  | 'E_SEQUENCE'
  | 'E_EXPIRED'
  | 'E_CLOCK'
  | 'E_BUNDLE_REVOKED'
  | 'E_EQUIVOCATION'
  | 'E_HOST_KEY'
  // incompatible
  | 'E_FORMAT_VERSION'
  | 'E_WASM'
  | 'E_GATEWAY'
  // conflict
  | 'E_EXISTS'
  | 'E_CONFLICT'
  | 'E_LOCKED'
  | 'E_ROLLBACK'
  // target I/O
  | 'E_IO'
  | 'E_NO_SPACE'
  | 'E_FILESYSTEM'
  | 'E_LISTEN'
  // network
  | 'E_NETWORK'
  // stopped
  | 'E_INTERRUPTED'
  | 'E_TERMINATED'
  // a defect of Plugferry itself
  | 'E_INTERNAL';

/** What a reader of an error may want to know in machine-readable form. Values from outside are kept raw here. */
export interface ErrorDetails {
  /** The file, archive entry or URL that the error is about. */
  readonly file?: string;
  readonly expected?: string | number;
  readonly found?: string | number;
  readonly [name: string]: unknown;
}

export interface ErrorOptions {
  /** What to do next. Never suggests switching a check off. */
  readonly hint?: string;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/** The one error class of Plugferry. `message` says what happened to which file; `hint` says what to do. */
export class PlugferryError extends Error {
  override readonly name = 'PlugferryError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

export const isPlugferryError = (error: unknown): error is PlugferryError => error instanceof PlugferryError;

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`, ...), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
