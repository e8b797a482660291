/** Whether a location names a place on another machine, by its scheme: `sftp://`, `https://`, ... */
export const isRemote = (location: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(location);

/** Whether a location is named after a bundle file, rather than a directory or a server. */
export const namesBundle = (location: string): boolean => /\.(?:tar\.gz|tgz|zip)$/i.test(location);
