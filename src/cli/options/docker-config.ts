import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Credentials } from '../../index.js';
import { PlugferryError, isPlugferryError } from '../../errors.js';
import { readSmallFile } from '../../files/open-regular.js';
import { runHelper } from '../../process/helper-program.js';

const maxConfigBytes = 4 * 1024 * 1024;
/** Most bytes that a credential helper may print. */
const maxAnswer = 64 * 1024;
/** Milliseconds for a credential helper; some ask a cloud. */
const helperTime = 30_000;

/** What of `config.json` matters here; the rest is Docker's own business. */
interface DockerConfig {
  readonly auths?: Readonly<Record<string, DockerAuth | null>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

interface DockerAuth {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

/**
 * The login for a registry that `docker login` has left: in `config.json` of `DOCKER_CONFIG` or `~/.docker`, or with the
 * credential helper that it names.
 *
 * @throws PlugferryError `E_LOGIN` for a file or a helper that cannot be used.
 */
export async function dockerCredentials(
  registry: string,
  signal?: AbortSignal,
): Promise<Credentials | undefined> {
  const file = join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  const config = await readConfig(file);
  if (config === undefined) return undefined;
  const [server, auth] =
    Object.entries(config.auths ?? {}).find(([key]) => hostOf(key) === hostOf(registry)) ?? [];
  const helper =
    Object.entries(config.credHelpers ?? {}).find(([key]) => hostOf(key) === hostOf(registry))?.[1] ??
    config.credsStore;
  if (typeof helper === 'string' && helper !== '') {
    // It becomes part of the name of a program.
    if (!/^[\w.-]+$/.test(helper)) throw unusable(file, 'names a credential helper by what is no name');
    const found = await helperCredentials(helper, server ?? registry, signal);
    if (found !== undefined) return found;
  }
  if (auth === undefined) return undefined;
  if (typeof auth !== 'object' || auth === null)
    throw unusable(file, `has no "user:password" for ${registry}`);
  return written(auth, { file, registry });
}

async function readConfig(file: string): Promise<DockerConfig | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readSmallFile(file, 'Docker configuration', maxConfigBytes);
  } catch (error) {
    if (isPlugferryError(error) && error.code === 'E_NOT_FOUND') return undefined;
    throw error;
  }
  try {
    const config: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof config === 'object' && config !== null) return config;
  } catch {
    // Its text may hold a password: nothing of it is repeated.
  }
  throw unusable(file, 'is not a JSON object');
}

/** Keys are hosts, or URLs as `https://index.docker.io/v1/`. */
const hostOf = (key: string): string => {
  const host = key
    .replace(/^https?:\/\//i, '')
    .replace(/\/.*$/, '')
    .toLowerCase();
  return host === 'docker.io' || host === 'registry-1.docker.io' ? 'index.docker.io' : host;
};

function written(
  { auth, username, password, identitytoken }: DockerAuth,
  { file, registry }: { readonly file: string; readonly registry: string },
): Credentials | undefined {
  if (typeof identitytoken === 'string' && identitytoken !== '') throw identity(registry);
  if (typeof auth === 'string' && auth !== '') {
    const [, user, secret] = /^([^:]+):(.*)$/s.exec(Buffer.from(auth, 'base64').toString('utf8')) ?? [];
    if (user === undefined || secret === undefined)
      throw unusable(file, `has no "user:password" for ${registry}`);
    return { username: user, password: secret.replace(/\0+$/, '') };
  }
  return typeof username === 'string' && typeof password === 'string' && username !== ''
    ? { username, password }
    : undefined;
}

/** `docker-credential-NAME get`: the server on stdin, a JSON object on stdout. */
async function helperCredentials(
  helper: string,
  server: string,
  signal: AbortSignal | undefined,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${helper}`;
  const { output, failure } = await runHelper({
    program,
    args: ['get'],
    environment: process.env,
    input: Buffer.from(server),
    maxOutput: maxAnswer,
    patienceMs: helperTime,
    signal,
  });
  const stdout = output.toString('utf8');
  if (failure !== undefined) {
    // What helpers say, all alike, where they have nothing.
    if (/credentials not found/i.test(stdout)) return undefined;
    throw unusable(program, `${failure}, asked for ${server}`);
  }
  try {
    const { Username: username, Secret: password } = JSON.parse(stdout) as Record<string, unknown>;
    if (username === '<token>') throw identity(server);
    if (typeof username === 'string' && typeof password === 'string') return { username, password };
  } catch (error) {
    if (isPlugferryError(error)) throw error;
  }
  throw unusable(program, `gave no login for ${server}`);
}

const identity = (registry: string): PlugferryError =>
  new PlugferryError(
    'E_LOGIN',
    `the login for ${registry} is an identity token, expected user and password`,
    {
      hint: 'Log in with "docker login" as a user with a password or an access token, such as a robot account.',
      details: { file: registry, expected: 'user and password' },
    },
  );

const unusable = (file: string, trouble: string, cause?: unknown): PlugferryError =>
  new PlugferryError('E_LOGIN', `${file} ${trouble}`, {
    hint: 'Run "docker login" again, or name another directory with DOCKER_CONFIG.',
    details: { file },
    cause,
  });
