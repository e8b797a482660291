import { isSecretName } from './secret-name.js';

/** What secrets look like that say of themselves what they are. */
const shapes: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/, 'a private key'],
  [/PuTTY-User-Key-File|AGE-SECRET-KEY-1/, 'a private key'],
  [/\beyJ[\w-]{6,400}\.[\w-]{6,}\./, 'a JSON web token'],
  [/\bsk[-_](?=[\w-]{0,200}[0-9])[\w-]{16,}/, 'an API key'],
  [
    /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|npm_\w{20,}|hf_\w{20,}|dckr_pat_[\w-]{16,})/,
    'an access token',
  ],
  [
    /\b(?:A[KS]IA[0-9A-Z]{16}|LTAI[A-Za-z0-9]{12,}|AKID[A-Za-z0-9]{13,}|AIza[\w-]{30,}|ya29\.[\w-]{10,})/,
    'a cloud access key',
  ],
  [/\bxox[abeprs]-[\w-]{10,}/, 'an access token'],
  [/\b(?:Bearer|Basic) (?=[\w.~+/-]{0,200}[0-9=])[\w.~+/=-]{8,}/i, 'an authorization header'],
  [/[a-z][a-z0-9+.-]{0,30}:\/\/[^/\s:@]{0,256}:[^/\s@]{1,256}@/i, 'a login in a URL'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/i, 'a UUID, as API keys are'],
];
const queryParameter = /[?&]([\w.-]{1,64})=([^&\s#]{4,})/g;
/** `name: value` or `name=value` in a line of its own, as in headers, and in configuration that stands in a comment or a text. */
const assignment =
  /^[\s#>-]*["']?([\w.-]{1,64})["']?\s{0,8}[:=]\s{0,8}["']?((?:(?:Bearer|Basic|Token) )?\S{4,})\s*$/i;
/** What stands behind such a name in descriptions of interfaces. */
const typeWords =
  /^["']?(?:string|number|integer|boolean|object|array|true|false|null|required|optional|header|query|body|cookie)["',;]*$/i;
/** Public keys and certificates in PEM. */
const publicPem =
  /-----BEGIN (?:CERTIFICATE|(?:RSA |EC )?PUBLIC KEY)-----[A-Za-z0-9+/=\s]*-----END [A-Z ]{1,20}-----/g;
/** The digest of a module or an image, which is public. */
const digest = /\bsha256:[0-9a-f]{64}\b/g;

/** What a text looks like, in words, if it looks like a secret or holds one; undefined otherwise. */
export function secretShape(text: string): string | undefined {
  for (const [pattern, what] of shapes) if (pattern.test(text)) return what;
  for (const [, name = '', value = ''] of text.matchAll(queryParameter))
    if (isSecretName(name) && !isReference(value)) return 'a secret in a URL';
  for (const line of text.split('\n')) {
    const [, name = '', value = ''] = assignment.exec(line) ?? [];
    if (isSecretName(name) && !isReference(value) && !typeWords.test(value)) return 'named like a secret';
  }
  return text
    .replace(digest, '')
    .replace(publicPem, '')
    .split(/[^A-Za-z0-9+=_-]+/)
    .some(isRandom)
    ? 'random characters'
    : undefined;
}

/** A value that only says where the secret is: `${API_KEY}`, `$API_KEY`, `Bearer {{.config.apiKey}}`, `<your token>`. */
export const isReference = (value: string): boolean =>
  /^(?:\$\{[^}]*\}|\{\{[^}]*\}\}|<[^>]*>|\$[A-Z_][A-Z0-9_]*)$/.test(
    value.replace(/^(?:Bearer|Basic|Token) /i, '').replace(/["',;]+$/, ''),
  );

/** Digests are public; what else has 32 or more hex digits, or as mixed characters as no word has, is not. */
function isRandom(word: string): boolean {
  if (/^[0-9a-f]{32,}$/i.test(word)) return true;
  const plain = word.replace(/=+$/, '');
  if (plain.length < 24 || plain.length > 4096) return false;
  const digits = plain.replace(/[^0-9]/g, '').length;
  if (digits < plain.length / 12 || !/[a-z]/.test(plain) || !/[A-Z]/.test(plain)) return false;
  return entropy(plain) > 3.7;
}

/** Bits a character. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce(
    (sum, count) => sum - (count / text.length) * Math.log2(count / text.length),
    0,
  );
}
