/**
 * Limits of the formats (`schemas/README.md`), each in one place: writers keep to them and readers refuse what is beyond, with the
 * same numbers. How many plugins fit differs on purpose: a release gathers what several bundles brought.
 */

/** Bytes of a manifest.json. */
export const maxManifestBytes = 4 * 1024 * 1024;
/** Bytes of one signature; ECDSA P-256 in DER takes at most 72, Ed25519 takes 64. */
export const maxSignatureBytes = 128;
/** Plugins in one bundle: with two files each, as many files as a manifest may list. */
export const maxBundlePlugins = 5_000;
/** Plugins in a release, a served tree or the listing of a server: those of two full bundles. */
export const maxReleasePlugins = 10_000;
/** Bytes of a release.json: 10,000 plugins of two files take less than 8 MiB. */
export const maxReleaseBytes = 16 * 1024 * 1024;
/** Bytes of an `index.json` of a server: it says of each plugin what a release.json does. */
export const maxIndexBytes = 16 * 1024 * 1024;
/** Bytes of a state.json: 1,000 sets and 500 entries of a history take less than 3 MiB. */
export const maxStateBytes = 16 * 1024 * 1024;
/** Bytes of a `snapshot-inventory.json`, which has one row a plugin name; the official one has 35 in 8 KiB. */
export const maxInventoryBytes = 4 * 1024 * 1024;
/**
 * Bytes that may lie in temporary files at once of what one source brings, before its digests are compared: 128 modules of the
 * largest size. No plugin set comes near, and somebody who answers without end must not fill the disk.
 */
export const maxFetchedBytes = 32 * 1024 * 1024 * 1024;
