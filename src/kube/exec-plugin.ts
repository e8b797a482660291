import { dirname, resolve } from 'node:path';
import { PlugferryError } from '../errors.js';
import { runHelper } from '../process/helper-program.js';
import { escapeText } from '../stream/text.js';
import { fieldsAt, isFields, kubeconfigError, listAt, textAt, wordsAt, type Fields } from './fields.js';
import type { Entry } from './kubeconfig.js';

/** What a login consists of. */
export interface Login {
  /** Value of the Authorization header. */
  readonly authorization?: string;
  readonly clientCertificate?: { readonly certificate: string; readonly key: string };
  /** Milliseconds since 1970 after which it is to be had anew; undefined for one that lasts until it is refused. */
  readonly expires?: number;
}

const versions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];
/** Milliseconds: some plugins ask a cloud for a token, none of them a person, for there is none here. */
const patienceMs = 60_000;
const maxOutput = 1024 * 1024;

export interface PluginRun {
  /** The `exec` of a user in a kubeconfig. */
  readonly exec: Entry;
  /** What the plugin is told of the cluster, if it asks for that. */
  readonly cluster: Fields;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a credential plugin (Kubernetes: "client-go credential plugins") and takes the login that it prints.
 *
 * @throws PlugferryError `E_USAGE` for an entry that cannot be run, `E_LOGIN` when the plugin fails.
 */
export async function runPlugin(run: PluginRun): Promise<Login> {
  const { fields, file } = run.exec;
  const command = textAt(fields, 'command');
  const version = textAt(fields, 'apiVersion') ?? '';
  if (command === undefined || !versions.includes(version))
    throw kubeconfigError(
      file,
      `exec: a command and apiVersion ${versions.join(' or ')} are needed`,
      'Have the file mended.',
    );
  if (textAt(fields, 'interactiveMode') === 'Always')
    throw kubeconfigError(
      file,
      `${command} wants a terminal`,
      'Use a user of the kubeconfig that needs no person.',
    );
  const output = await printed(command, run, version);
  return loginOf(output, { command, version });
}

async function printed(command: string, run: PluginRun, apiVersion: string): Promise<Buffer> {
  const { exec, cluster, environment, signal } = run;
  const args = wordsAt(exec.fields, 'args');
  const extra: Record<string, string> = {};
  for (const entry of listAt(exec.fields, 'env'))
    extra[textAt(entry, 'name') ?? ''] = textAt(entry, 'value') ?? '';
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(exec.fields['provideClusterInfo'] === true ? { cluster } : {}) },
  };
  // As client-go has it: with a slash it is a path, from the directory of the file; else it is looked for in PATH.
  const path = command.includes('/') ? resolve(dirname(exec.file), command) : command;
  const { output, said, failure } = await runHelper({
    program: path,
    args,
    environment: { ...environment, ...extra, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
    maxOutput,
    patienceMs,
    signal,
  });
  if (failure === undefined) return output;
  const words = escapeText(said.slice(-500));
  const help = textAt(exec.fields, 'installHint');
  throw failed(
    command,
    words === '' ? failure : `${failure}: ${words}`,
    help === undefined ? undefined : escapeText(help.slice(0, 500)),
  );
}

function loginOf(output: Buffer, { command, version }: { command: string; version: string }): Login {
  const document = parsed(output);
  const status = fieldsAt(document, 'status');
  if (document['kind'] !== 'ExecCredential' || document['apiVersion'] !== version)
    throw failed(command, `it printed no ExecCredential of ${version}`);
  const token = textAt(status, 'token');
  const [certificate, key] = [textAt(status, 'clientCertificateData'), textAt(status, 'clientKeyData')];
  const expires = Date.parse(textAt(status, 'expirationTimestamp') ?? '');
  if (token === undefined && (certificate === undefined || key === undefined))
    throw failed(command, 'it printed neither a token nor a certificate with its key');
  return {
    ...(token === undefined ? {} : { authorization: bearer(token, command) }),
    ...(certificate === undefined || key === undefined ? {} : { clientCertificate: { certificate, key } }),
    ...(Number.isNaN(expires) ? {} : { expires }),
  };
}

function parsed(output: Buffer): Fields {
  try {
    const value: unknown = JSON.parse(output.toString('utf8'));
    return isFields(value) ? value : {};
  } catch {
    return {};
  }
}

/**
 * A bearer token as a header. One with blanks or line feeds inside would become something else there.
 *
 * @throws PlugferryError `E_LOGIN`.
 */
export function bearer(token: string, from: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return `Bearer ${token}`;
  throw new PlugferryError('E_LOGIN', `${from}: the token holds characters that no token has`, {
    hint: 'Have the token written again, without blanks and line feeds in it.',
    details: { file: from },
  });
}

const failed = (command: string, found: string, help?: string): PlugferryError =>
  new PlugferryError('E_LOGIN', `the credential plugin ${command} failed: ${found}`, {
    hint: `${help === undefined ? '' : `${help} `}Run "kubectl get configmaps" with the same context: kubectl runs the same plugin.`,
    details: { file: command, found },
  });
