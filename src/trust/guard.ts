import { PlugferryError } from '../errors.js';
import { exposureOf } from '../files/writable-by-others.js';

/**
 * Refuses a file of a trust store that somebody else could change, as {@link exposureOf} finds it.
 *
 * @param uid undefined where the system has no user ids.
 * @throws PlugferryError `E_TRUST_STORE`, or the system's error when there is nothing at `path`.
 */
export async function refuseExposed(path: string, uid: number | undefined): Promise<void> {
  const exposure = await exposureOf(path, uid);
  if (exposure !== undefined) throw exposed(exposure.place, exposure.found);
}

const exposed = (path: string, found: string): PlugferryError =>
  new PlugferryError('E_TRUST_STORE', `${path}: ${found}; who can change it decides whom you trust`, {
    hint: `Make it yours alone to change: chown root "${path}" and chmod go-w "${path}", or mount it read-only.`,
    details: { file: path, found },
  });
