import type { Step } from '../../index.js';
import { formatBytes } from '../../stream/text.js';
import type { Standing } from './transfer-rate.js';

/** `8.2 s`, `3 min 05 s`, `2 h 05 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

export const formatRate = (bytesPerSecond: number): string => `${formatBytes(Math.round(bytesPerSecond))}/s`;

const percent = ({ done, total }: Standing): number | undefined =>
  total === undefined || total === 0 ? undefined : Math.floor((100 * Math.min(done, total)) / total);

/** Where a step is, in one line: `pack: 45%, 12.0 MiB of 26.7 MiB, 9.3 MiB/s, 1.6 s left`. */
export function standingText(step: Step, standing: Standing): string {
  const share = percent(standing);
  return `${step}: ${[...(share === undefined ? [] : [`${share}%`]), ...measures(standing)].join(', ')}`;
}

function measures({ done, total, bytesPerSecond, secondsLeft }: Standing): string[] {
  return [
    total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`,
    ...(bytesPerSecond === undefined ? [] : [formatRate(bytesPerSecond)]),
    ...(secondsLeft === undefined ? [] : [`${formatSeconds(Math.ceil(secondsLeft))} left`]),
  ];
}

/** The same with a bar, as far as it fits into a line of so many columns. */
export function barText(step: Step, standing: Standing, columns: number): string {
  const share = percent(standing);
  const words = [step.padEnd(8), ...(share === undefined ? [] : [`${String(share).padStart(3)}%`])];
  const rest = measures(standing);
  const length = [...words, ...rest].join('  ').length;
  const room = Math.min(30, columns - length - 4);
  if (share !== undefined && room >= 5) {
    const filled = Math.round((room * share) / 100);
    words.splice(1, 0, `[${'#'.repeat(filled)}${'-'.repeat(room - filled)}]`);
  }
  return [...words, ...rest].join('  ').slice(0, Math.max(0, columns));
}
