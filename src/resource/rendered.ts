import type { PluginId } from '../plugin/plugin.js';
import type { Change } from './merge-patch.js';
import type { FieldChange } from './retarget.js';
import type { NamedVariable } from './variables.js';

/** A resource as it is to be applied. */
export interface RenderedResource {
  readonly name: string;
  readonly namespace: string | undefined;
  /** The plugin that it gets. */
  readonly plugin: PluginId;
  /** YAML, with its comments. */
  readonly text: string;
  /** What points to the target now. */
  readonly retargeted: readonly FieldChange[];
  /** What the overlays changed; values are not repeated. */
  readonly overlaid: readonly Change[];
  /** The variables that were filled: if there are any, `text` holds secrets. */
  readonly filled: readonly NamedVariable[];
}
