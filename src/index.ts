export { exportBundle, type ExportedPlugin, type ExportOptions, type ExportResult } from './export.js';
export { type ExportedResource } from './export-resources.js';
export { type NamedVariable } from './resource/variables.js';
export { type ToolFile } from './tool/beside.js';
export { type Credentials, type RegistryAccess } from './registry/login.js';
export { parseOverlays, type Overlays } from './resource/overlay.js';
export { parseValues } from './resource/values.js';
export {
  renderResources,
  type RenderedResource,
  type Rendering,
  type RenderOptions,
  type ServedPlugin,
} from './render-resources.js';
export {
  refuseExistingResources,
  writeResources,
  type ResourceLayout,
  type WriteResourcesOptions,
} from './write-resources.js';
export { type EnvironmentLine } from './served-environment.js';
export { type ExportFailure } from './gather.js';
export { parseMirror, type Mirror } from './catalogue/mirror.js';
export { catalogueKinds, type CatalogueKind } from './catalogue/read.js';
export { isPluginVersion } from './plugin/plugin.js';
export { parseMapping, parseNaming, type Naming } from './plugin/naming.js';
export { convertBundle, type ConvertOptions, type ConvertResult } from './convert.js';
export { splitBundle, type SplitOptions, type SplitResult, type SplitShape } from './split.js';
export { pull, type PullOptions, type PullResult } from './pull.js';
export { push, type PushOptions, type PushResult } from './push.js';
export { joinParts, type JoinOptions, type JoinResult } from './join.js';
export { describeDamage, type ByteRange, type PartDamage } from './parts/damage.js';
export { holdsParts, type BundlePlace, type ReachOptions } from './bundle-bytes.js';
export { type RemoteAccess } from './transport/locations.js';
export { type WrittenPart } from './parts/split.js';
export { media, parseParity, parseSplitSize } from './parts/size.js';
export { importBundle, type ImportOptions, type ImportResult } from './import.js';
export { verifyBundle, type Verification, type VerifyOptions } from './verify.js';
export { signFile, type SignedSubject, type SignOptions, type SignResult } from './sign.js';
export { inspectBundle, type InspectOptions, type Inspection } from './inspect.js';
export {
  diff,
  type ChangedPlugin,
  type DiffModule,
  type DiffOptions,
  type DiffPlugin,
  type Difference,
  type ModuleDifference,
  type UpgradedPlugin,
} from './diff.js';
export { clusterWasmPlugins } from './cluster-resources.js';
export { openCatalogue } from './catalogue/open.js';
export { doctor, type DoctorOptions, type DoctorResult, type ProbedPlugin } from './doctor.js';
export { type Finding as DoctorFinding, type FindingKind as DoctorFindingKind } from './diagnosis/finding.js';
export { readConsoleSpecs, type PluginSpec } from './resource/plugin-spec.js';
export { readResourceTexts, type ResourceText } from './resource/texts.js';
export { type Basis, type InventoryPlace } from './inventory.js';
export { type ModuleChange, type NamesChange } from './comparison.js';
export { listPlugins, type ListedPlugin, type Listing, type ListOptions } from './list.js';
export {
  aliasPlugin,
  pruneVolume,
  rollbackVolume,
  volumeHistory,
  volumeReceipt,
  type Switched,
} from './releases.js';
export { type ReachVolume } from './volume-place.js';
export { type SshSettings } from './transport/ssh-settings.js';
export {
  configMapHistory,
  configMapsAsYaml,
  configMapsInCluster,
  configMapsInDirectory,
  listConfigMaps,
  pruneConfigMaps,
  rollbackConfigMaps,
  type ConfigMapTarget,
} from './configmaps.js';
export { type ClusterOptions } from './cluster.js';
export { defaultMaxBytes as defaultConfigMapBytes, describeBudget, type Budget } from './configmap/budget.js';
export { type CollectedStore } from './configmap/collected.js';
export { type ConfigMapPruning } from './configmap/manage.js';
export { isConfigMapLocation } from './configmap/place.js';
export { type ConfigMapStore } from './configmap/store.js';
export { type History, type HistoryLine } from './release/history.js';
export {
  checkHint as volumeCheckHint,
  checkVolume as verifyVolume,
  type Finding,
  type VolumeCheck,
} from './volume/check.js';
export { type Receipt, type ReceiptOptions } from './volume/receipt.js';
export { type PrunedRelease } from './release/fates.js';
export { type Pruned, type PruneOptions } from './volume/prune.js';
export {
  renderDeployment,
  writeKustomization,
  type RenderedDeployment,
  type WriteOptions,
} from './render-deployment.js';
export { type KubeObject } from './deployment/object.js';
export {
  officialName,
  officialNamespace,
  type DeploymentPlan,
  type PluginVolume,
  type TrustSource,
} from './deployment/options.js';
export { checkHealth, type Health, type HealthOptions } from './health.js';
export { type MountOptions } from './mounted-releases.js';
export { type Readiness } from './following.js';
export { isAhead } from './trust/dates.js';
export { servePlugins, type RunningServer, type ServeOptions } from './serve.js';
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
export { signerWithCommand, signerWithFile } from './signers.js';
export { type Authentication, type Trust } from './authenticate.js';
export {
  addTrustedKey,
  dismissTrustedKey,
  initTrust,
  listTrust,
  openTrustStore,
  revokeBundle,
  setRootThreshold,
  setTrustPolicy,
  updateTrust,
  type AddKeyOptions,
  type ListedKey,
  type TrustListing,
  type TrustUpdate,
} from './trust-store.js';
export { profileNames as gatewayProfileNames, readGatewayProfile } from './gateway/profile.js';
export { type Incompatibility, type UnfitPlugin } from './gateway/compatibility.js';
export { type GatewayProfile } from './schema/gatewayProfile.js';
export { type Check } from './trust/ruling.js';
export { type TrustStore } from './trust/store.js';
export { type SigningCommand } from './trust/command.js';
export { type SetPolicy, type TrustDocument } from './schema/trust.js';
export { isPlugferryError, PlugferryError, type ErrorCode, type ErrorDetails } from './errors.js';
export { type TrustedKey } from './trust/key.js';
export {
  type Manifest,
  type ManifestFile,
  type ManifestPlugin,
  type ModuleFacts,
} from './schema/manifest.js';
export { isMoment } from './schema/moment.js';
export { type ProgressEvent } from './schema/progress.js';
export { type ProgressObserver, type Step } from './io/progress.js';
export { settingKeys } from './config/keys.js';
export {
  readConfig,
  type ConfigRequest,
  type Setting,
  type SettingValue,
  type Settled,
} from './config/config.js';
export { version } from './version.js';
