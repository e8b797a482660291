/** UTC to the second, as every document of Plugferry writes it: `2026-01-31T09:00:00Z`. */
export const formatTime = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;
