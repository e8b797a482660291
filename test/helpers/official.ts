/** The host of the official registry. */
export const officialRegistry = 'higress-registry.cn-hangzhou.cr.aliyuncs.com';

/** What `plugins.properties` of plugin-server names: 43 plugins, two of them in a repository of another name. */
const repositories: Readonly<Record<string, string>> = {
  'json-converter': 'plugins/jsonrpc-converter',
  'mcp-server': 'mcp-server/all-in-one',
};

export const officialNames = [
  ...[
    'ai-agent',
    'ai-cache',
    'ai-data-masking',
    'ai-history',
    'ai-intent',
    'ai-json-resp',
    'ai-prompt-decorator',
  ],
  ...[
    'ai-prompt-template',
    'ai-proxy',
    'ai-quota',
    'ai-rag',
    'ai-search',
    'ai-security-guard',
    'ai-statistics',
  ],
  ...[
    'ai-token-ratelimit',
    'ai-transformer',
    'basic-auth',
    'bot-detect',
    'cache-control',
    'cluster-key-rate-limit',
  ],
  ...[
    'cors',
    'custom-response',
    'de-graphql',
    'ext-auth',
    'frontend-gray',
    'geo-ip',
    'hmac-auth',
    'ip-restriction',
  ],
  ...[
    'json-converter',
    'jwt-auth',
    'key-auth',
    'key-rate-limit',
    'mcp-server',
    'model-mapper',
    'model-router',
  ],
  ...['oauth', 'oidc', 'opa', 'request-block', 'request-validation', 'traffic-tag', 'transformer', 'waf'],
] as const;

export const officialRepository = (name: string): string => repositories[name] ?? `plugins/${name}`;

/** A `plugins.properties` with the names of the official one. */
export const officialProperties = (registry = officialRegistry): string =>
  [
    '# names of the official file',
    '',
    ...officialNames.map((name) => `${name}=oci://${registry}/${officialRepository(name)}:2.0.0`),
    '',
  ].join('\n');
