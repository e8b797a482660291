/** A tar writer that does as it is told, for archives that no honest program writes. */
export interface RawEntry {
  readonly name?: string;
  readonly prefix?: string;
  readonly type?: string;
  readonly linkName?: string;
  readonly body?: Buffer;
  /** Overrides the size field, in octal text or raw bytes. */
  readonly size?: number | Buffer;
  readonly mode?: string | Buffer;
  readonly uid?: string | Buffer;
  readonly mtime?: string | Buffer;
  readonly devMajor?: string | Buffer;
  readonly userName?: string;
  readonly magic?: Buffer;
  readonly checksum?: string;
  /** Last word on the finished header, before its checksum is written. */
  readonly patch?: (header: Buffer) => void;
  /** Bytes of the padding behind the body; zero by default. */
  readonly padding?: Buffer;
}

export const endOfArchive = Buffer.alloc(1024);

export const rawTar = (entries: readonly RawEntry[], end: Buffer = endOfArchive): Buffer =>
  Buffer.concat([...entries.map(rawEntry), end]);

export function rawEntry(entry: RawEntry): Buffer {
  const body = entry.body ?? Buffer.alloc(0);
  const header = Buffer.alloc(512);
  put(header, 0, entry.name ?? '');
  put(header, 100, entry.mode ?? '000644 ');
  put(header, 108, entry.uid ?? '000000 ');
  put(header, 116, '000000 ');
  put(header, 124, Buffer.isBuffer(entry.size) ? entry.size : octal(entry.size ?? body.length));
  put(header, 136, entry.mtime ?? octal(1_700_000_000));
  put(header, 156, entry.type ?? '0');
  put(header, 157, entry.linkName ?? '');
  put(header, 257, entry.magic ?? Buffer.from('ustar\x0000', 'latin1'));
  put(header, 265, entry.userName ?? '');
  put(header, 329, entry.devMajor ?? '000000 ');
  put(header, 337, '000000 ');
  put(header, 345, entry.prefix ?? '');
  entry.patch?.(header);
  put(header, 148, '        ');
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(header, 148, entry.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `);
  const padding = Buffer.alloc((512 - (body.length % 512)) % 512);
  entry.padding?.copy(padding);
  return Buffer.concat([header, body, padding]);
}

const octal = (value: number): string => `${value.toString(8).padStart(11, '0')} `;

function put(header: Buffer, offset: number, value: string | Buffer): void {
  (Buffer.isBuffer(value) ? value : Buffer.from(value, 'latin1')).copy(header, offset);
}
