import { PlugferryError } from '../errors.js';

const hint =
  'The file was damaged, tampered with, or not made by Plugferry. Copy it again from where it was made.';

/** A container that holds something else than a bundle may hold at this place. */
export const unexpectedEntry = (found: string, expected: string): PlugferryError =>
  new PlugferryError('E_CONTAINER', `the bundle has the entry "${found}", expected ${expected}`, {
    hint,
    details: { expected, found },
  });

export const beyondLimit = (found: string, file: string): PlugferryError =>
  new PlugferryError('E_LIMIT', `the bundle has ${found}`, { hint, details: { file, found } });

export const endsEarly = (): PlugferryError =>
  new PlugferryError('E_CONTAINER', 'the bundle ends before everything that its manifest lists', { hint });
