import type { PlugferryError } from '../errors.js';
import { quoted, refusedCatalogue } from './catalogue.js';

/** An object of a document that somebody else wrote, and where in it that stands. */
export interface Part {
  readonly place: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Takes fields out of documents of one kind, or refuses them. */
export class Fields {
  readonly #hint: string;

  /** @param hint what to do with a document that is not as expected. */
  constructor(hint: string) {
    this.#hint = hint;
  }

  part(value: unknown, place: string): Part {
    if (isObject(value)) return { place, fields: value };
    throw refusedCatalogue(place, 'expected an object', this.#hint);
  }

  /** Of a document whose form may change with its `schemaVersion`. */
  checkVersion({ schemaVersion }: Part['fields'], file: string): void {
    if (schemaVersion === 1) return;
    throw this.refused(file, `schemaVersion is ${shown(schemaVersion)}, expected 1`);
  }

  /** A text that must be there, in a form that must fit. */
  text(
    { fields, place }: Part,
    key: string,
    isFit: (text: string) => boolean = (text) => text !== '',
  ): string {
    const value = fields[key];
    if (typeof value === 'string' && isFit(value)) return value;
    throw this.refused(place, `${key} is ${shown(value)}`);
  }

  /** A list of texts; none where there is no such field. */
  texts({ fields, place }: Part, key: string, isFit: (text: string) => boolean): string[] {
    const value: unknown = fields[key] ?? [];
    const isText = (each: unknown): each is string => typeof each === 'string' && isFit(each);
    if (Array.isArray(value) && value.every(isText)) return value;
    throw this.refused(place, `${key} is ${shown(value)}`);
  }

  refused(place: string, reason: string): PlugferryError {
    return refusedCatalogue(place, reason, this.#hint);
  }
}

/** A value as an error repeats it. */
const shown = (value: unknown): string => (value === undefined ? 'missing' : quoted(JSON.stringify(value)));

export const isDigest = (text: string): boolean => /^sha256:[0-9a-f]{64}$/.test(text);
export const isSha256 = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);
