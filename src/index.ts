export { exportBundle, type ExportedPlugin, type ExportOptions, type ExportResult } from './export.js';
export { importBundle, type ImportOptions, type ImportResult } from './import.js';
export { verifyBundle, type Verification, type VerifyOptions } from './verify.js';
export { inspectBundle, type InspectOptions, type Inspection } from './inspect.js';
export { listPlugins, type ListedPlugin, type Listing, type ListOptions } from './list.js';
export { servePlugins, type Readiness, type RunningServer, type ServeOptions } from './serve.js';
export { type RequestRecord } from './server/exchange.js';
export {
  generateKeys,
  readPublicKeys,
  readSigner,
  type KeygenOptions,
  type KeygenResult,
  type ReadSignerOptions,
  type Signer,
} from './keys.js';
export { type Authentication, type Trust } from './authenticate.js';
export { isPlugferryError, PlugferryError, type ErrorCode, type ErrorDetails } from './errors.js';
export { type TrustedKey } from './trust/key.js';
export {
  type Manifest,
  type ManifestFile,
  type ManifestPlugin,
  type ModuleFacts,
} from './schema/manifest.js';
export { version } from './version.js';
