import { PlugferryError } from '../errors.js';

/** An object of JSON or YAML that nobody has looked at. */
export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A field that is an object; an empty one where there is none. */
export function fieldsAt(fields: Fields, name: string): Fields {
  const value = fields[name];
  return isFields(value) ? value : {};
}

/** The objects of a list. */
export function listAt(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name];
  return Array.isArray(value) ? value.filter(isFields) : [];
}

/** The texts of a list. */
export function wordsAt(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  return Array.isArray(value) ? value.filter((word) => typeof word === 'string') : [];
}

/** A text that is not empty. */
export function textAt(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** `E_USAGE` about a kubeconfig. */
export const kubeconfigError = (file: string, trouble: string, hint: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${file}: ${trouble}`, { hint, details: { file, found: trouble } });
