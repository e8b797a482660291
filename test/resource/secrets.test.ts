import { describe, expect, test } from 'vitest';
import { readWasmPluginDocuments } from '../../src/resource/documents.js';
import { findSecrets } from '../../src/resource/secrets.js';

const head = `apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\n`;

/** Paths of what is found in a configuration. */
function found(config: string, rest = ''): string[] {
  const text = `${head}spec:\n  defaultConfig:\n${config.replace(/^/gm, '    ')}\n${rest}`;
  const [plugin] = readWasmPluginDocuments(text, 'p.yaml').plugins;
  return findSecrets(plugin!.document).map(({ path }) => path.replace('spec.defaultConfig.', ''));
}

const jwt = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln`;
const hex = '9a342114ba8a11ecb1bf00163e1250b5';
const privateKey = `-----BEGIN PRIVATE KEY-----`;

describe('what is a secret', () => {
  test.each([
    // by the name that it stands under, as plugins of Higress call theirs
    ['consumers: [{name: a, credential: abc}]', 'consumers[0].credential'],
    ['consumers: [{name: a, credentials: [abc, def]}]', 'consumers[0].credentials[0]'],
    ['client_secret: abc', 'client_secret'],
    ['cookie-secret: abc', 'cookie-secret'],
    ['provider: {apiTokens: [abc]}', 'provider.apiTokens[0]'],
    ['redis: {username: u, password: 123456}', 'redis.password'],
    ['awsSecretKey: abc', 'awsSecretKey'],
    ['access_key: abc', 'access_key'],
    ['hunyuanAuthKey: abc', 'hunyuanAuthKey'],
    ['ak: abc', 'ak'],
    ['apikey: abc', 'apikey'],
    ['token: on', undefined],
    ['password: $ecret1', 'password'],
    ['password: $PASSWORD', undefined],
    ['credentials: {user: abc}', 'credentials.user'],
    ['env: [{name: DB_PASSWORD, value: abc}]', 'env[0].value'],
    ['headers: [{key: X-API-Key, value: abc}]', 'headers[0].value'],
    // by its form
    [`x: ${jwt}`, 'x'],
    [`x: |\n  ${privateKey}\n  abc`, 'x'],
    ['x: sk-abcdefghijklmnop1234', 'x'],
    ['x: "Bearer abcdef012345"', 'x'],
    ['x: redis://user:abcd@host:6379', 'x'],
    ['x: redis://:abcd@host:6379', 'x'],
    ['x: https://host/path?api_key=abcdef', 'x'],
    [`x: ${hex}`, 'x'],
    ['x: 9a342114-ba8a-11ec-b1bf-00163e1250b5', 'x'],
    ['x: Zm9vYmFy1aGVsbG8gd29ybGQ4UkxQ7', 'x'],
    ['x: LTAI5tAbCdEfGhIjKlMn', 'x'],
    ['x: "X-Api-Key: abcdef"', 'x'],
    // in JSON, also in JSON in JSON
    [`x: '{"a": [{"client_secret": "abc"}]}'`, 'x'],
    [`x: '{"a": "{\\"password\\": \\"abc\\"}"}'`, 'x'],
    [`jwks: '{"keys":[{"kty":"oct","k":"abc"}]}'`, 'jwks'],
    ['jwks: {keys: [{kty: RSA, n: abc, e: AQAB, d: abc}]}', 'jwks.keys[0].d'],
    [`x: '{"${hex}": true}'`, 'x'],
    // in lines of a text
    ['x: |\n  a: b\n  password = abcdef\n', 'x'],
  ])('%s', (config, path) => {
    expect(found(config)).toEqual(path === undefined ? [] : [path, ...found(config).slice(1)]);
  });

  test('in keys, comments, labels and the URL, which no variable can stand for', () => {
    expect(found(`allow: {"${hex}": true}`)).toEqual(['allow<key 1>']);
    expect(found('# password: abcdef\na: b')).toEqual(['a comment']);
    expect(found(`a: b # ${jwt}`)).toEqual(['a comment']);
    expect(found('a: b', '  url: http://user:abcd@host/plugins/a/1/plugin.wasm')).toEqual(['spec.url']);
    const text = head.replace('name: p', `name: p, labels: {token: abc}, annotations: {"x.io/y": "${jwt}"}`);
    const [plugin] = readWasmPluginDocuments(text, 'p.yaml').plugins;
    const secrets = findSecrets(plugin!.document);
    expect(secrets.map(({ path, value }) => [path, value])).toEqual([
      ['metadata.labels.token', undefined],
      ['metadata.annotations["x.io/y"]', undefined],
    ]);
  });

  test('and a path does not repeat what is one', () => {
    expect(found(`${hex}: {password: abc}`).join()).not.toContain(hex);
  });
});

describe('what is none', () => {
  test.each([
    'keys: [x-api-key, apikey]',
    'in_header: true',
    'max_tokens: 4096',
    'tokens: "4096"',
    'token_header: authorization',
    'password: ""',
    'password: ${REDIS_PASSWORD}',
    'headers: [{key: Authorization, value: "Bearer {{.config.apiKey}}"}]',
    'note: Basic authentication is required for everybody',
    'note: "Token: must be sent in the header"',
    'schema: |\n  token: string\n  password: string\n',
    'limit_by_header: x-ca-key',
    `image: oci://registry.example/plugins/waf@sha256:${hex}${hex}`,
    'service: outlier-detection-cluster-policy-2024.dns',
    'regex: "^/api/v[0-9]+/users/[A-Za-z0-9_-]+$"',
    'allow: [consumer1, consumer2]',
    'url: https://issuer.example/.well-known/jwks.json?kid=2024-key',
    `jwks: '{"keys":[{"kty":"RSA","e":"AQAB","n":"abc"}]}'`,
    `jwks: '{"keys":[{"kty":"RSA","e":"AQAB","n":"${'aB3dE6gH9'.repeat(30)}","kid":"${hex}"}]}'`,
    `key: |\n  -----BEGIN PUBLIC KEY-----\n  MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1kz9${'aB3dE6gH9'.repeat(9)}==\n  -----END PUBLIC KEY-----`,
    'text: 为什么需要 token 认证',
    'x: on\ny: 1_000\nz: 2001-01-01',
  ])('%s', (config) => {
    expect(found(config)).toEqual([]);
  });

  test('the names and digests of the resource itself', () => {
    const rest = `  imagePullSecret: regcred\n  sha256: ${hex}${hex}\n  verificationKey: "abcdef"\n`;
    expect(found('a: b', rest)).toEqual([]);
  });
});

describe('searching is bounded', () => {
  test.each<[string, string]>([
    ['beginnings of tokens', 'eyJ-'.repeat(250_000)],
    ['one long word', 'aB1'.repeat(300_000)],
    ['colons', 'a:'.repeat(500_000)],
    ['URLs', 'a://'.repeat(250_000)],
    ['dashes', '-'.repeat(1_000_000)],
    ['parameters', '?a='.repeat(300_000)],
    ['keys', 'sk-'.repeat(300_000)],
    ['brackets', '['.repeat(500_000)],
    ['begins', '-----BEGIN '.repeat(90_000)],
    ['lines', 'a\n'.repeat(400_000)],
  ])('%s', (_name, text) => {
    const before = process.cpuUsage();
    found(`x: ${JSON.stringify(text)}`);
    const { user } = process.cpuUsage(before);
    expect(user / 1e6).toBeLessThan(10);
  });
});
