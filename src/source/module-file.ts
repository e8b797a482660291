import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { escapeText } from '../stream/text.js';
import { listingOf } from './modules.js';
import type { Source } from './source.js';

/** One module file, such as a build makes. Its name may say name and version (`key-auth-1.0.0.wasm`). */
export function moduleFileSource(path: string): Source {
  const file = basename(path);
  const fetch = async () => ({
    wasm: await realpath(path),
    metadata: undefined,
    provenance: { kind: 'file', reference: escapeText(file) },
  });
  return { list: async () => listingOf([{ from: path, path: file, fetch }]), close: async () => undefined };
}
