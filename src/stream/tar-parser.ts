/** The tar parser: it follows pax and GNU extensions, and trusts what it reads. Whoever uses it looks at every entry first. */
export { extract, type Extract } from 'tar-stream';
