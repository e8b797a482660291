import { SingleBar } from 'cli-progress';
import type { WriteStream } from 'node:tty';

/** A line at the bottom of a terminal that is drawn again and again, until it is taken away. */
export interface LiveLine {
  /** Draws it, now and ten times a second. */
  show(): void;
  /** Takes it away, so that other lines can be written. */
  hide(): void;
}

/**
 * @param text the line at this moment, printable characters only.
 * @param columns how many of them fit.
 */
export function liveLine(stream: WriteStream, text: (columns: number) => string): LiveLine {
  const bar = new SingleBar({
    stream,
    // The last column stays free: some terminals break the line behind it.
    format: (_options, { maxWidth }) => text(maxWidth - 1),
    clearOnComplete: true,
    // Whatever is switched off would stay so if the program were killed.
    hideCursor: false,
    linewrap: true,
    gracefulExit: false,
  });
  return {
    show: () => {
      if (!bar.isActive) bar.start(1, 0);
    },
    hide: () => {
      if (bar.isActive) bar.stop();
    },
  };
}
