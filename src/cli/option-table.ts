import type { Options } from 'yargs';

export type OptionTable = Readonly<Record<string, Options>>;

/** The environment variable that gives an option its value. */
export const variable = (option: string): string => `PLUGFERRY_${option.toUpperCase().replaceAll('-', '_')}`;
