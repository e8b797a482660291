/** The version of this program; a test holds it against package.json, which a one-file build does not carry. */
export const version = '0.1.0';

/** How Plugferry names itself in what it writes. */
export const tool = `plugferry/${version}`;
