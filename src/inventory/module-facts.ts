import { isPlugferryError } from '../errors.js';
import type { FoundFacts } from './inventory.js';
import type { Digest } from '../stream/digest.js';
import { ioError } from '../files/file-errors.js';
import { openRegular } from '../files/open-regular.js';
import type { Progress } from '../stream/progress.js';
import type { ModuleFacts } from '../schema/manifest.js';
import { digestFile } from '../source/survey.js';
import { readModule } from '../wasm/module.js';

/**
 * Reads a module: what bytes it is, and what it asks of a gateway. A file that no gateway could load has a digest all the
 * same, and a problem in place of the facts.
 *
 * @param label how errors call the file.
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`.
 */
export async function digestedFacts(
  path: string,
  label: string,
  {
    signal,
    progress,
  }: { readonly signal?: AbortSignal | undefined; readonly progress?: Progress | undefined } = {},
): Promise<{ readonly digest: Digest; readonly facts: FoundFacts }> {
  const handle = await openRegular(path, 'module');
  try {
    const digest = await digestFile(handle, signal, progress);
    return { digest, facts: await readModule(handle, label).then(found, problem) };
  } catch (error) {
    throw ioError(error, label);
  } finally {
    await handle.close();
  }
}

const found = (module: ModuleFacts): FoundFacts => ({ module });

function problem(error: unknown): FoundFacts {
  if (isPlugferryError(error) && error.code === 'E_WASM') return { problem: error.message };
  throw error;
}
