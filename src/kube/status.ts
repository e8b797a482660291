import { PlugferryError, type ErrorCode } from '../errors.js';
import { escapeText } from '../stream/text.js';
import { fieldsAt, isFields, listAt, textAt, type Fields } from './fields.js';

/** An answer that is no success. */
export interface Refusal {
  /** HTTP status. */
  readonly status: number;
  /** The body, if it was JSON. */
  readonly body: unknown;
  /** What was asked for, as messages name it: `configmaps/edge in namespace gateway`. */
  readonly what: string;
  /** The cluster, as messages name it. */
  readonly cluster: string;
}

/** Seconds that the server asks its caller to wait; undefined for a refusal that will be the same a moment later. */
export function retryAfter({ status, body }: Pick<Refusal, 'status' | 'body'>): number | undefined {
  if (status !== 429 && status !== 503 && status !== 504) return undefined;
  const seconds = isFields(body) ? fieldsAt(body, 'details')['retryAfterSeconds'] : undefined;
  return typeof seconds === 'number' && seconds >= 0 ? Math.min(seconds, 10) : 0;
}

/** The error for a refusal of an API server: what it means, by the `reason` and causes of its Status object. */
export function refusalError(refusal: Refusal): PlugferryError {
  const { status, body, what, cluster } = refusal;
  const fields: Fields = isFields(body) ? body : {};
  const said = escapeText((textAt(fields, 'message') ?? `status ${status}`).slice(0, 1000));
  const causes = listAt(fieldsAt(fields, 'details'), 'causes');
  const { code, hint } = meaning(status, said, causes);
  return new PlugferryError(code, `${what}: the API server of ${cluster} refuses: ${said}`, {
    hint,
    details: { file: what, found: status, reason: textAt(fields, 'reason') ?? '', causes },
  });
}

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
}

function meaning(status: number, said: string, causes: readonly Fields[]): Meaning {
  const full = fullness(said);
  if (full !== undefined) return full;
  if (causes.some((cause) => cause['reason'] === 'FieldManagerConflict')) return conflict(causes);
  const known = meanings[status];
  if (known !== undefined) return known;
  return { code: 'E_NETWORK', hint: 'Run the same command again; if it stays so, ask who runs the cluster.' };
}

/** Refusals for want of room come under several statuses. */
function fullness(said: string): Meaning | undefined {
  if (/database space exceeded/.test(said))
    return {
      code: 'E_NO_SPACE',
      hint: 'The etcd of the cluster is full. Whoever runs it has to compact and defragment it, or raise its quota.',
    };
  if (/exceeded quota/.test(said))
    return {
      code: 'E_NO_SPACE',
      hint: 'Ask for a larger ResourceQuota in this namespace, or prune older releases.',
    };
  if (
    /request is too large|Request entity too large|Too long: must have at most|Too long: may not be more/i.test(
      said,
    )
  )
    return {
      code: 'E_LIMIT',
      hint: 'The object is larger than the cluster takes. A volume has no such limit.',
    };
  return undefined;
}

function conflict(causes: readonly Fields[]): Meaning {
  const owners = causes.map(
    (cause) => `${textAt(cause, 'field') ?? 'a field'} (${textAt(cause, 'message') ?? 'another manager'})`,
  );
  return {
    code: 'E_CONFLICT',
    hint: escapeText(
      `Somebody else manages ${owners.join(', ')}`.slice(0, 1000) +
        '. Find out who writes there; --force-conflicts takes these fields over.',
    ),
  };
}

const meanings: Readonly<Record<number, Meaning>> = {
  400: {
    code: 'E_USAGE',
    hint: 'Check the names, and the version of the cluster: 1.22 is the oldest with server-side apply.',
  },
  401: {
    code: 'E_LOGIN',
    hint: 'The login is not accepted. Renew it; "kubectl auth whoami" tells whether it works.',
  },
  403: {
    code: 'E_LOGIN',
    hint: 'Needed are get, list, create, patch and delete on configmaps in this namespace; have a Role bound that gives them.',
  },
  404: { code: 'E_NOT_FOUND', hint: 'Check the namespace: it must be there already.' },
  409: { code: 'E_LOCKED', hint: 'Another run changed it at the same time. Run the same command again.' },
  413: { code: 'E_LIMIT', hint: 'The object is larger than the cluster takes. A volume has no such limit.' },
  422: {
    code: 'E_CONFLICT',
    hint: 'What is there does not let itself be changed to this. Look at it with kubectl.',
  },
};
