/** Endings of the keys under which configurations of gateways hold secrets, without what separates their words. */
const endings = [
  'password',
  'passwd',
  'passphrase',
  'pwd',
  'secret',
  'secrets',
  'credential',
  'credentials',
  'token',
  'tokens',
  'authorization',
  'connectionstring',
  'dsn',
  ...[
    'api',
    'access',
    'secret',
    'private',
    'auth',
    'signing',
    'encryption',
    'session',
    'hmac',
    'master',
  ].flatMap((word) => [`${word}key`, `${word}keys`, `${word}keyid`]),
  ...['account', 'subscription', 'shared', 'client', 'consumer', 'admin', 'license'].map(
    (word) => `${word}key`,
  ),
];
/** Keys that are secret only when they are all there is. */
const whole = new Set(['ak', 'sk', 'pass']);

/** Whether a key, a header or a variable of this name holds a secret: `client_secret`, `apiTokens`, `X-API-Key`. */
export function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  return whole.has(plain) || endings.some((ending) => plain.endsWith(ending));
}

/** Names whose values are amounts as often as secrets: `max_tokens: 4096`. */
export const mayCount = (name: string): boolean => /tokens?$/i.test(name);
