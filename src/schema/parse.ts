import { PlugferryError, type ErrorCode } from '../errors.js';
import type { Config } from './config.js';
import type { GatewayProfile } from './gatewayProfile.js';
import type { IndexDocument } from './index.js';
import type { Manifest } from './manifest.js';
import type { Release } from './release.js';
import type { ShardIndex } from './shardIndex.js';
import type { State } from './state.js';
import type { TrustDocument } from './trust.js';
import * as generated from './validators.js';

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}
type Validator = ((data: unknown) => boolean) & { errors?: readonly SchemaError[] | null };

interface Documents {
  readonly manifest: Manifest;
  readonly release: Release;
  readonly shardIndex: ShardIndex;
  readonly state: State;
  readonly trust: TrustDocument;
}

/** Documents that may also be of other programs' making, or for their reading: their bytes are bound to no form. */
interface LooseDocuments {
  readonly index: IndexDocument;
  readonly gatewayProfile: GatewayProfile;
}

/** Documents that people write, in YAML. */
interface WrittenDocuments {
  readonly config: Config;
}

const validators = generated as unknown as Readonly<
  Record<keyof Documents | keyof LooseDocuments | keyof WrittenDocuments, Validator>
>;

/** How a document is named in errors, and with which code it is refused. */
export interface DocumentContext {
  readonly file: string;
  readonly code: ErrorCode;
  /** The code for a number or a list that is larger than the schema allows. @default `code` */
  readonly limitCode?: ErrorCode;
  readonly hint: string;
}

/**
 * Bytes to a validated document: UTF-8, JSON, schema, and the canonical rule (the bytes are exactly
 * `JSON.stringify(value, null, 2)` and a line feed), which also rules out duplicate keys and other spellings of a number.
 * This is the only way to obtain one of these documents from bytes.
 *
 * @throws PlugferryError with the code of `context`, naming the field and what is wrong with it.
 */
export function parseDocument<Kind extends keyof Documents>(
  kind: Kind,
  bytes: Uint8Array,
  context: DocumentContext,
): Documents[Kind] {
  const value = fitting(kind, bytes, context);
  // Not before: what fits a schema is shallow, while indenting hostile nesting takes space by the square of its depth.
  if (!Buffer.from(`${JSON.stringify(value, null, 2)}\n`).equals(bytes)) {
    throw refused(context, 'not in canonical form (two-space JSON with one final line feed, each key once)');
  }
  return value as Documents[Kind];
}

/**
 * As {@link parseDocument}, without the canonical rule: for documents that nobody signs or hashes. Of a key that is there
 * twice the last one counts.
 */
export const parseLooseDocument = <Kind extends keyof LooseDocuments>(
  kind: Kind,
  bytes: Uint8Array,
  context: DocumentContext,
): LooseDocuments[Kind] => fitting(kind, bytes, context) as LooseDocuments[Kind];

function fitting(kind: keyof typeof validators, bytes: Uint8Array, context: DocumentContext): unknown {
  const value = parseJson(bytes, context);
  refuseUnfit(kind, value, context);
  return value;
}

/** What somebody wrote, and another parser has read, as a document. @throws as {@link parseDocument}. */
export function writtenDocument<Kind extends keyof WrittenDocuments>(
  kind: Kind,
  value: unknown,
  context: DocumentContext,
): WrittenDocuments[Kind] {
  refuseUnfit(kind, value, context);
  return value as WrittenDocuments[Kind];
}

function refuseUnfit(kind: keyof typeof validators, value: unknown, context: DocumentContext): void {
  const validate = validators[kind];
  if (!validate(value)) throw unfit(context, validate.errors?.[0]);
}

function parseJson(bytes: Uint8Array, context: DocumentContext): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw refused(context, 'not JSON in UTF-8', error);
  }
}

/** The bytes that {@link parseDocument} accepts for a document. */
export const documentBytes = (document: Documents[keyof Documents]): Buffer =>
  Buffer.from(`${JSON.stringify(document, null, 2)}\n`);

function unfit(context: DocumentContext, error: SchemaError | undefined): PlugferryError {
  const beyond = error?.keyword === 'maxItems' || error?.keyword === 'maximum';
  const code = beyond ? (context.limitCode ?? context.code) : context.code;
  return refused({ ...context, code }, `${error?.instancePath ?? ''} ${explain(error)}`.trim());
}

/** Longest name out of a document that an error repeats: the name of an unknown key may fill the whole file. */
const quoteLength = 80;

function explain(error: SchemaError | undefined): string {
  if (error?.keyword === 'format') return 'is not a time that there is, in UTC to the second';
  const names = Object.values(error?.params ?? {})
    .filter((value) => typeof value === 'string')
    .map((name) => name.slice(0, quoteLength));
  return `${error?.message ?? 'does not fit the schema'}${names.length > 0 ? ` (${names.join(', ')})` : ''}`;
}

function refused({ file, code, hint }: DocumentContext, reason: string, cause?: unknown): PlugferryError {
  return new PlugferryError(code, `${file}: ${reason}`, { hint, details: { file, found: reason }, cause });
}
