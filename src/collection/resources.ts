import type { PackedResource } from '../bundle/build-manifest.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import { carryResources, type CarriedResource } from '../resource/prepare-export.js';
import type { ResourceText } from '../resource/texts.js';
import type { NamedVariable } from '../resource/variables.js';
import { wantedPlugins } from '../catalogue/wanted-plugins.js';

export interface ExportedResource {
  /** `metadata.name` of the WasmPlugin. */
  readonly name: string;
  /** What stands for its secrets, and where. */
  readonly variables: readonly NamedVariable[];
}

/** The resources of an export. */
export interface ResourceLuggage {
  readonly packed: readonly PackedResource[];
  readonly exported: readonly ExportedResource[];
  readonly notes: readonly string[];
  /** Which resources want a plugin that is not among those. */
  unserved(plugins: readonly PluginId[]): string[];
}

export interface LuggageOptions {
  readonly resources?: readonly ResourceText[];
  readonly secretsToVariables?: boolean;
}

/** @throws PlugferryError as `carryResources`. */
export function resourceLuggage({
  resources: texts,
  secretsToVariables = false,
}: LuggageOptions): ResourceLuggage {
  const { resources, notes } =
    texts === undefined ? { resources: [], notes: [] } : carryResources(texts, { secretsToVariables });
  return {
    packed: resources.map(({ name, text, variables }) => ({
      name,
      text: Buffer.from(text),
      variables: variables.map((variable) => variable.name),
    })),
    exported: resources.map(({ name, variables }) => ({ name, variables })),
    notes,
    unserved: (plugins) => {
      const served = new Set(plugins.map(formatPluginId));
      return resources.filter((resource) => !wants(resource).some((id) => served.has(id))).map(unservedNote);
    },
  };
}

const wants = ({ resource }: CarriedResource): string[] => wantedPlugins(resource).map(formatPluginId);

const unservedNote = (resource: CarriedResource): string => {
  const [id] = wants(resource);
  return id === undefined
    ? `WasmPlugin ${resource.name} does not say which plugin it wants`
    : `WasmPlugin ${resource.name} wants ${id}, which is not in this bundle`;
};
