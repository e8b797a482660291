import type { FileHandle } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { ioError } from '../files/file-errors.js';
import { maxModuleBytes } from '../plugin/plugin.js';
import type { ModuleFacts } from '../schema/manifest.js';
import type { ModuleReading } from './interface.js';
import { ModuleStream, type ModuleStreamOptions } from './module-stream.js';
import { unloadable } from './unloadable.js';

export { isModuleHeader } from './header.js';

/** Bytes that are read at a time: for most modules all that is looked at. */
const pieceBytes = 256 * 1024;

/**
 * What a module asks of a gateway, read from its sections. Nothing is compiled or run, and only small pieces are in memory at a time;
 * function bodies and data are not looked at.
 *
 * @param file an open file; its position is not moved, and it is not closed.
 * @param name how errors call the file.
 * @throws PlugferryError `E_WASM` when a gateway could not load the file, `E_IO` or `E_SOURCE_CHANGED` when it cannot be read to its
 *   end.
 */
export const readModule = async (file: FileHandle, name: string): Promise<ModuleFacts> =>
  (await inspectModule(file, name)).facts;

/**
 * As {@link readModule}, with the types of what it imports and exports; and, where it is to be compared with a gateway, with all that
 * an engine must know, for which function bodies are read.
 */
export async function inspectModule(
  file: FileHandle,
  name: string,
  options: ModuleStreamOptions = { forGateway: false },
): Promise<ModuleReading> {
  const stats = await file.stat();
  if (!stats.isFile()) throw unloadable(name, 'not a regular file');
  if (stats.size > maxModuleBytes) {
    throw unloadable(
      name,
      `${stats.size} bytes, more than the ${maxModuleBytes} bytes at which the gateway cuts a module off`,
      'Build the plugin smaller: without debug information, or with another toolchain.',
    );
  }
  const stream = new ModuleStream(name, stats.size, options);
  for (let position = 0; position < stats.size;) {
    const piece = await readPiece(file, name, {
      position,
      length: Math.min(pieceBytes, stats.size - position),
    });
    stream.push(piece);
    position += piece.length + stream.jump();
  }
  return stream.end();
}

async function readPiece(
  file: FileHandle,
  name: string,
  { position, length }: { readonly position: number; readonly length: number },
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  try {
    const { bytesRead } = await file.read(buffer, 0, length, position);
    if (bytesRead > 0) return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw ioError(error, name);
  }
  throw changed(name);
}

const changed = (name: string): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', `${name} became shorter while it was read`, {
    hint: 'Wait until whatever writes it is done, then run the same command again.',
    details: { file: name },
  });
