import { hostname, userInfo } from 'node:os';
import type { Actor } from './change.js';
import { tool } from '../version.js';

/** This process, as lock and audit log name it. */
export function thisActor(): Actor {
  return { user: userName(), host: hostname(), pid: process.pid, tool };
}

/** In a container the user id may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Whose files decide something here besides root's; undefined where the system has no user ids. */
export const effectiveUser = (): number | undefined => process.geteuid?.();
