import { openRegular } from '../files/open-regular.js';
import { isModuleName } from './modules.js';

/**
 * What a file is, by its first bytes. One that is called `.wasm` is taken for a module whatever is in it, so that its survey
 * can say what is wrong with it.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`.
 */
export async function fileKind(path: string): Promise<'module' | 'zip' | 'tar' | 'other'> {
  if (isModuleName(path)) return 'module';
  const handle = await openRegular(path, 'source');
  try {
    const head = Buffer.alloc(512);
    await handle.read(head, 0, head.length, 0);
    const magic = head.subarray(0, 4);
    if (magic.equals(Buffer.from('\0asm', 'latin1'))) return 'module';
    const isGzip = head[0] === 0x1f && head[1] === 0x8b;
    if (isGzip || head.subarray(257, 262).toString('latin1') === 'ustar') return 'tar';
    // The second is that of an empty archive.
    return ['PK\x03\x04', 'PK\x05\x06'].includes(magic.toString('latin1')) ? 'zip' : 'other';
  } finally {
    await handle.close();
  }
}
