import { readFile, readlink } from 'node:fs/promises';
import { systemCode } from '../errors.js';
import type { Actor } from '../release/change.js';
import { formatTime } from '../release/time.js';

/** owner.json of a lock: who holds it, and how another run can tell that it does no longer. */
export interface Owner extends Actor {
  readonly token: string;
  /** Of the machine, or of a container that has one; empty where the system does not tell. */
  readonly machineId: string;
  /** Changes with every start of the machine; empty where the system does not tell. */
  readonly bootId: string;
  readonly pidNamespace: string;
  /** In clock ticks after boot: tells a process from a later one with the same id. */
  readonly processStart: string;
  readonly since: string;
}

export async function describeOwner(actor: Actor, token: string, now: Date): Promise<Owner> {
  const { user, host, pid, tool } = actor;
  return {
    token,
    user,
    host,
    pid,
    tool,
    since: formatTime(now),
    machineId: (await told(readFile('/etc/machine-id', 'utf8'))).trim(),
    bootId: (await told(readFile('/proc/sys/kernel/random/boot_id', 'utf8'))).trim(),
    pidNamespace: await told(readlink('/proc/self/ns/pid')),
    processStart: startIn(await told(readFile(`/proc/${pid}/stat`, 'utf8'))),
  };
}

/** Undefined for anything that is not an owner: such a lock is respected until its lease is over. */
export function parseOwner(text: string): Owner | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isOwner(value) ? value : undefined;
}

function isOwner(value: unknown): value is Owner {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  const texts = [
    'token',
    'user',
    'host',
    'tool',
    'since',
    'machineId',
    'bootId',
    'pidNamespace',
    'processStart',
  ];
  return texts.every((name) => typeof fields[name] === 'string') && Number.isSafeInteger(fields['pid']);
}

/** Containers of one machine share its boot id but number their processes anew: both must be equal. */
export const sharesProcesses = (a: Owner, b: Owner): boolean =>
  a.bootId !== '' && a.bootId === b.bootId && a.pidNamespace === b.pidNamespace;

/**
 * Whether `owner` ran on this machine before it was started anew. Cloned machines may share their id, and containers of one
 * set their name, so both must be equal.
 */
export const isBeforeReboot = (owner: Owner, self: Owner): boolean =>
  self.machineId !== '' &&
  owner.machineId === self.machineId &&
  owner.host === self.host &&
  owner.bootId !== '' &&
  owner.bootId !== self.bootId;

/** Whether the process is no longer there. The caller makes sure that it would be visible. */
export async function isGone({ pid, processStart }: Owner): Promise<boolean> {
  try {
    return startIn(await readFile(`/proc/${pid}/stat`, 'utf8')) !== processStart;
  } catch (error) {
    return systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH';
  }
}

/** Field 22 of proc(5) `stat`; the second field, the program's name, may itself hold spaces and brackets. */
const startIn = (text: string): string => text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';

async function told(text: Promise<string>): Promise<string> {
  try {
    return await text;
  } catch {
    return '';
  }
}
