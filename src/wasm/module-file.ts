import type { FileHandle } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { ioError } from '../io/failure.js';
import { maxModuleBytes } from '../plugin/plugin.js';
import { Cursor } from './cursor.js';
import { unloadable } from './unloadable.js';

/** A stretch of a module: from `start` up to, not including, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A module on disk, of which small pieces are read by position. Never holds the module, nor moves the file position. */
export class ModuleFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle, name: string, size: number) {
    this.#handle = handle;
    this.name = name;
    this.size = size;
  }

  /** @throws PlugferryError `E_WASM` when it is not a regular file or too large for a gateway. */
  static async of(handle: FileHandle, name: string): Promise<ModuleFile> {
    const stats = await handle.stat();
    if (!stats.isFile()) throw unloadable(name, 'not a regular file');
    if (stats.size > maxModuleBytes) {
      throw unloadable(
        name,
        `${stats.size} bytes, more than the ${maxModuleBytes} bytes at which the gateway cuts a module off`,
        'Build the plugin smaller: without debug information, or with another toolchain.',
      );
    }
    return new ModuleFile(handle, name, stats.size);
  }

  /** The bytes of a range, which must be small and end inside the file. */
  async bytes({ start, end }: Range): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(end - start);
    let filled = 0;
    while (filled < buffer.length) {
      const bytesRead = await this.#read(buffer, filled, start + filled);
      if (bytesRead === 0) throw changed(this.name);
      filled += bytesRead;
    }
    return buffer;
  }

  /** @param part what the range is, for errors. */
  async cursor(range: Range, part: string): Promise<Cursor> {
    return new Cursor(await this.bytes(range), { module: this.name, part, offset: range.start });
  }

  async #read(buffer: Buffer, offset: number, position: number): Promise<number> {
    try {
      return (await this.#handle.read(buffer, offset, buffer.length - offset, position)).bytesRead;
    } catch (error) {
      throw ioError(error, this.name);
    }
  }
}

const changed = (name: string): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', `${name} became shorter while it was read`, {
    hint: 'Wait until whatever writes it is done, then run the same command again.',
    details: { file: name },
  });
