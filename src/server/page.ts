import { sha256Of } from '../stream/digest.js';

/** A body of our own making, with what its answer needs to know. */
export interface PageContent {
  /** Media type. */
  readonly type: string;
  readonly body: Buffer;
  /** Of the body, 64 hex characters. */
  readonly sha256: string;
  /** Value of `Content-Security-Policy`, for a page that a browser renders. */
  readonly policy?: string;
}

/** Made when first asked for, then kept: most pages of a large set are never looked at. */
export type Page = () => PageContent;

export function page(type: string, render: () => string, policy?: string): Page {
  let made: PageContent | undefined;
  return () => {
    if (made !== undefined) return made;
    const body = Buffer.from(render());
    made = { type, body, sha256: sha256Of(body), ...(policy !== undefined && { policy }) };
    return made;
  };
}
