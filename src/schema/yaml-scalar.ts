/**
 * What an unquoted scalar means to kubectl, whose YAML reader (go-yaml v2) knows most of YAML 1.1: `on`, `yes` and `y` are
 * booleans, `017` and `0o17` are 15, `1_000` is 1000; but a date is its text, and so is `1:30`. The tests compare with kubectl.
 */
export type PlainValue = string | number | boolean | null;

/** Words with a meaning of their own. */
const words = new Map<string, boolean | null>([
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['y', 'yes', 'on', 'true'].flatMap((word) => cases(word).map((each) => [each, true] as const)),
  ...['n', 'no', 'off', 'false'].flatMap((word) => cases(word).map((each) => [each, false] as const)),
]);

/** `on`, `On`, `ON`. */
function cases(word: string): string[] {
  return [word, `${word.charAt(0).toUpperCase()}${word.slice(1)}`, word.toUpperCase()];
}

/** Infinities and not-a-number, which no Kubernetes object can hold. */
const beyondJson = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** @throws RangeError for a number that JSON does not have. */
export function plainValue(text: string): PlainValue {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (beyondJson.test(text)) throw new RangeError(`${text} is no number that a Kubernetes object can hold`);
  return numberOf(text) ?? text;
}

/** Everything that is, or to some reader might be, another thing than its text: numbers, dates, times, words. */
export const mayMeanElse = (text: string): boolean => words.has(text) || /^[-+.0-9]/.test(text);

const integer = /^[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/;
const float = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const [minInteger, maxInteger] = [-(2n ** 63n), 2n ** 64n - 1n];

function numberOf(text: string): number | undefined {
  if (!/^[-+.0-9]/.test(text)) return undefined;
  const digits = text.replaceAll('_', '');
  if (integer.test(digits)) {
    const value = integerOf(digits);
    if (value >= minInteger && value <= maxInteger) return Number(value);
  }
  if (!float.test(digits)) return undefined;
  const value = Number(digits);
  return Number.isFinite(value) ? value : undefined;
}

function integerOf(text: string): bigint {
  const [, sign, digits = ''] = /^([-+]?)(.*)$/.exec(text) ?? [];
  const octal = /^0[oO]?([0-7]+)$/.exec(digits)?.[1];
  const value = BigInt(octal === undefined ? digits.toLowerCase() : `0o${octal}`);
  return sign === '-' ? -value : value;
}
