import type { PluginId } from '../plugin/plugin.js';
import { findingOn, type Finding } from './finding.js';
import type { HeldModule } from './held.js';
import { patchLine } from './fix-commands.js';
import type { Reference, ReferringResource } from './reference.js';

/**
 * Plugins that decide who may pass: without them everybody may. Names of the official repository's plugins; the phases AUTHN
 * and AUTHZ say the same of any other.
 */
const guards = new Set([
  'ai-security-guard',
  'basic-auth',
  'bot-detect',
  'ext-auth',
  'hmac-auth',
  'ip-restriction',
  'jwt-auth',
  'jwt-logout',
  'key-auth',
  'oauth',
  'oidc',
  'opa',
  'replay-protection',
  'request-block',
  'simple-jwt-auth',
  'waf',
]);

/** A WasmPlugin and what it will get. */
export interface Loading {
  readonly reference: Reference;
  readonly resource: ReferringResource;
  readonly plugin: PluginId;
  readonly held: HeldModule | undefined;
}

/** What a WasmPlugin says that does not fit the module it will get. */
export const resourceFindings = (loading: Loading): Finding[] => [
  ...digestFindings(loading),
  ...policyFindings(loading),
  ...failOpenFindings(loading),
];

/** For http(s) the gateway compares it with the unboxed module, whatever the encoding; for OCI it is the manifest's digest. */
function digestFindings({ reference, resource, plugin, held }: Loading): Finding[] {
  const { sha256 } = resource;
  if (sha256 === undefined || held === undefined || held.sha256 === sha256) return [];
  const found = /^[0-9a-f]{64}$/.test(sha256)
    ? `pins sha256 ${sha256.slice(0, 16)}..., and the module has ${held.sha256.slice(0, 16)}...: the gateway refuses it`
    : `pins a sha256 that is not 64 digits of lower-case hex: "${sha256.slice(0, 80)}"`;
  return [
    findingOn(reference, {
      kind: 'sha256',
      plugin,
      problem: found,
      mend: patchLine(resource, { sha256: held.sha256 }),
    }),
  ];
}

/**
 * A pinned digest needs no policy: it makes the gateway fetch once, and again when the digest changes. Without one, Always
 * fetches whenever anything changes (higress stamps all resources anew), and IfNotPresent never sees that a tag has moved.
 */
function policyFindings({ reference, resource, plugin, held }: Loading): Finding[] {
  if (resource.sha256 !== undefined || held === undefined) return [];
  const mend = patchLine(resource, { sha256: held.sha256, imagePullPolicy: 'IfNotPresent' });
  if (resource.imagePullPolicy === 'Always') {
    const problem =
      'is pulled Always and pinned by no sha256: the gateway fetches it at every change of any resource';
    return [findingOn(reference, { kind: 'pull-policy', plugin, problem, mend })];
  }
  if (/^v?\d/.test(plugin.version)) return [];
  const problem = `asks for "${plugin.version}", a tag that moves, and is not pinned: the gateway keeps the bytes that it had first`;
  return [findingOn(reference, { kind: 'pull-policy', plugin, problem, mend })];
}

function failOpenFindings({ reference, resource, plugin }: Loading): Finding[] {
  const { failStrategy, phase } = resource;
  const isGuard = phase === 'AUTHN' || phase === 'AUTHZ' || guards.has(plugin.name);
  if (failStrategy !== 'FAIL_OPEN' || !isGuard) return [];
  const problem = 'decides who may pass, and is FAIL_OPEN: when it cannot be loaded, everybody passes';
  const mend = patchLine(resource, { failStrategy: 'FAIL_CLOSE' });
  return [findingOn(reference, { kind: 'fail-open', plugin, problem, mend })];
}
