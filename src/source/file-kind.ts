import { openRegular } from '../io/file.js';
import { isModuleName } from './modules.js';

/**
 * What a file is, by its first bytes. One that is called `.wasm` is taken for a module whatever is in it, so that its survey
 * can say what is wrong with it.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`.
 */
export async function fileKind(path: string): Promise<'module' | 'zip' | 'other'> {
  if (isModuleName(path)) return 'module';
  const handle = await openRegular(path, 'source');
  try {
    const head = Buffer.alloc(4);
    await handle.read(head, 0, head.length, 0);
    if (head.equals(Buffer.from('\0asm', 'latin1'))) return 'module';
    // The second is that of an empty archive.
    return ['PK\x03\x04', 'PK\x05\x06'].includes(head.toString('latin1')) ? 'zip' : 'other';
  } finally {
    await handle.close();
  }
}
