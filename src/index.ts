export {
  exportBundle,
  type ExportedPlugin,
  type ExportOptions,
  type ExportResult,
} from './operations/export.js';
export { type ExportedResource } from './collection/resources.js';
export { type NamedVariable } from './resource/variables.js';
export { type ToolFile } from './tool/beside.js';
export { type Credentials, type RegistryAccess } from './registry/login.js';
export { parseOverlays, type Overlays } from './resource/overlay.js';
export { parseValues } from './resource/values.js';
export {
  renderResources,
  type Rendering,
  type RenderOptions,
  type ServedPlugin,
} from './operations/render-resources.js';
export {
  refuseExistingResources,
  writeResources,
  type ResourceLayout,
  type WriteResourcesOptions,
} from './operations/write-resources.js';
export { type EnvironmentLine } from './resource/environment.js';
export { type ExportFailure } from './collection/collect.js';
export { parseMirror, type Mirror } from './catalogue/mirror.js';
export { catalogueKinds, type CatalogueKind } from './catalogue/read.js';
export { isPluginVersion } from './plugin/plugin.js';
export { parseMapping, parseNaming, type Naming } from './plugin/naming.js';
export { convertBundle, type ConvertOptions, type ConvertResult } from './operations/convert.js';
export { splitBundle, type SplitOptions } from './operations/split.js';
export { pull, type PullOptions, type PullResult } from './operations/pull.js';
export { push, type PushOptions, type PushResult } from './operations/push.js';
export { joinParts, type JoinOptions, type JoinResult } from './operations/join.js';
export { describeDamage, type ByteRange, type PartDamage } from './parts/damage.js';
export { holdsParts, type BundlePlace, type ReachOptions } from './location/bundle-input.js';
export { type WrittenPart } from './parts/split.js';
export { media, parseParity, parseSplitSize } from './parts/size.js';
export { importBundle, type ImportOptions, type ImportResult } from './operations/import.js';
export { verifyBundle, type Verification, type VerifyOptions } from './operations/verify.js';
export { signFile, type SignOptions, type SignResult } from './operations/sign.js';
export { type SignedSubject } from './verification/countersigning.js';
export { inspectBundle, type InspectOptions, type Inspection } from './operations/inspect.js';
export {
  diff,
  type ChangedPlugin,
  type DiffModule,
  type DiffOptions,
  type DiffPlugin,
  type Difference,
  type ModuleDifference,
  type UpgradedPlugin,
} from './operations/diff.js';
export { clusterWasmPlugins } from './operations/cluster-resources.js';
export { openCatalogue } from './catalogue/open.js';
export { doctor, type DoctorOptions, type DoctorResult, type ProbedPlugin } from './operations/doctor.js';
export { type Finding as DoctorFinding, type FindingKind as DoctorFindingKind } from './diagnosis/finding.js';
export { readConsoleSpecs, type PluginSpec } from './resource/plugin-spec.js';
export { readResourceTexts, type ResourceText } from './resource/texts.js';
export { type ModuleChange, type NamesChange } from './inventory/comparison.js';
export { listPlugins, type ListOptions } from './operations/list.js';
export {
  aliasPlugin,
  pruneVolume,
  rollbackVolume,
  volumeHistory,
  volumeReceipt,
  type Switched,
} from './operations/releases.js';
export { type ReachVolume } from './location/volume-access.js';
export { type SshSettings } from './transport/ssh/settings.js';
export {
  configMapHistory,
  listConfigMaps,
  pruneConfigMaps,
  rollbackConfigMaps,
} from './operations/configmaps.js';
export { type ClusterOptions } from './location/cluster-store.js';
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
} from './operations/render-deployment.js';
export { type KubeObject } from './deployment/object.js';
export {
  officialName,
  officialNamespace,
  type DeploymentPlan,
  type PluginVolume,
  type TrustSource,
} from './deployment/options.js';
export { checkHealth, type Health, type HealthOptions } from './operations/check-health.js';
export { type MountOptions } from './serving/configmap-feed.js';
export { type Readiness } from './serving/following.js';
export { isAhead } from './trust/dates.js';
export { servePlugins, type RunningServer, type ServeOptions } from './operations/serve.js';
export { type RequestRecord } from './server/exchange.js';
export {
  generateKeys,
  readPublicKeys,
  readSigner,
  type KeygenOptions,
  type KeygenResult,
  type ReadSignerOptions,
  type Signer,
} from './trust/key-files.js';
export { signerWithCommand, signerWithFile } from './trust/external-signer.js';
export { type Authentication, type Trust } from './verification/authenticate.js';
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
} from './operations/trust-store.js';
export { profileNames as gatewayProfileNames, readGatewayProfile } from './gateway/profile.js';
export { type Incompatibility, type UnfitPlugin } from './gateway/compatibility.js';
export { type GatewayProfile } from './schema/gatewayProfile.js';
export { type Check } from './trust/rule-result.js';
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
export { type ProgressObserver, type Step } from './stream/progress.js';
export { settingKeys } from './config/keys.js';
export { readConfig, type ConfigRequest, type Setting, type Settled } from './config/config.js';
export { version } from './version.js';
export { type RenderedResource } from './resource/rendered.js';
export { type SplitResult, type SplitShape } from './parts/write.js';
export { type RemoteAccess } from './transport/transport.js';
export { type Basis, type InventoryPlace } from './inventory/inventory.js';
export { type ListedPlugin, type Listing } from './inventory/listing.js';
export {
  configMapsAsYaml,
  configMapsInCluster,
  configMapsInDirectory,
  type ConfigMapTarget,
} from './location/configmap-target.js';
export { type SettingValue } from './config/values.js';
