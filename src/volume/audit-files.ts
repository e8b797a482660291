import { join } from 'node:path';
import { lstatIfThere } from './disk.js';
import type { VolumeLayout } from './layout.js';

/** Longest line of an audit log that is read, in bytes: one about a prune names each release that it removed. */
const maxLine = 4 * 1024 * 1024;

/** Numbers of the logs that were put aside as `audit.<n>.jsonl`, oldest first. */
export async function loggedAside({ files, control }: VolumeLayout): Promise<number[]> {
  if ((await lstatIfThere(files, control)) === undefined) return [];
  return (await files.readdir(control))
    .flatMap((name) => /^audit\.([1-9][0-9]{0,8})\.jsonl$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b);
}

export const asidePath = ({ control }: VolumeLayout, number: number): string =>
  join(control, `audit.${number}.jsonl`);

/**
 * Hands each line of a log to `visit`, oldest first, and holds no more of it in memory than one line: undefined for a line that is
 * longer than any of ours. Returns whether the last one ends as a line does.
 *
 * @throws an error of the file system.
 */
export async function eachLine(
  { files }: VolumeLayout,
  path: string,
  visit: (line: string | undefined) => void,
): Promise<boolean> {
  let open: Uint8Array[] = [];
  let length = 0;
  const take = (bytes: Uint8Array): void => {
    length += bytes.length;
    // The sink's buffer is used again for what comes next.
    if (length <= maxLine) open.push(Buffer.from(bytes));
    else open = [];
  };
  const end = (): void => {
    visit(length > maxLine ? undefined : Buffer.concat(open).toString('utf8'));
    open = [];
    length = 0;
  };
  await files.readThrough(path, (chunk) => {
    let start = 0;
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, start)) {
      take(chunk.subarray(start, at));
      end();
      start = at + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  });
  const isWhole = length === 0;
  if (!isWhole) end();
  return isWhole;
}
