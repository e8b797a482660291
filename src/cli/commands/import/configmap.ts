import type { Budget, ConfigMapTarget } from '../../../index.js';
import { describeBudget } from '../../../configmap/budget.js';
import {
  configMapsAsYaml,
  configMapsInCluster,
  configMapsInDirectory,
} from '../../../location/configmap-target.js';
import { PlugferryError } from '../../../errors.js';
import { committedFile, refuseExisting } from '../../../files/atomic-file.js';
import { clusterFrom, clusterOptions } from '../../options/cluster.js';
import type { OptionTable } from '../../option-table.js';
import type { Terminal } from '../../output/terminal.js';

/** Options of an import into ConfigMaps. */
export const configMapOptions = {
  yaml: {
    type: 'string',
    describe:
      'For configmap: write YAML to a file, to a directory for kustomize that later imports go on with, or to stdout (-, the default)',
  },
  apply: { type: 'boolean', default: false, describe: 'For configmap: apply it to the cluster instead' },
  'force-conflicts': {
    type: 'boolean',
    default: false,
    describe: 'With --apply: take over fields that another field manager owns',
  },
  'max-bytes': {
    type: 'number',
    describe: 'For configmap: most bytes that all its ConfigMaps may take up (default: 33554432, 32 MiB)',
  },
  ...clusterOptions,
} as const satisfies OptionTable;

export interface ConfigMapFlags {
  readonly yaml: string | undefined;
  readonly apply: boolean;
  readonly 'force-conflicts': boolean;
  readonly 'max-bytes': number | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly proxy?: string | undefined;
}

/** Those of the flags of an import that mean something for ConfigMaps only. */
export const configMapFlags = (flags: ConfigMapFlags): Readonly<Record<string, unknown>> => ({
  yaml: flags.yaml,
  apply: flags.apply,
  'force-conflicts': flags['force-conflicts'],
});

/** An import into ConfigMaps, and what is left to do behind it. */
export interface ConfigMapImport {
  readonly target: ConfigMapTarget;
  /** Said before anything is written; undefined until then, and where nothing is to be written. */
  budget(): Budget | undefined;
  /** Writes what is to be written elsewhere than in a cluster; yields the YAML for stdout, if it goes there. */
  finish(): Promise<string | undefined>;
  /** What a person does next. */
  readonly next: string | undefined;
}

/** @throws PlugferryError `E_USAGE`, `E_EXISTS`, and as the stores. */
export async function configMapImport(
  location: string,
  flags: ConfigMapFlags,
  { say }: Pick<Terminal, 'say'>,
): Promise<ConfigMapImport> {
  const { yaml, apply } = flags;
  if (apply && yaml !== undefined) throw contradiction('apply', 'yaml');
  if (!apply && flags['force-conflicts']) throw needsApply();
  const maxBytes = flags['max-bytes'];
  if (maxBytes !== undefined && maxBytes < 1) throw tooFew(maxBytes);
  let said: Budget | undefined;
  const common = {
    ...(maxBytes === undefined ? {} : { maxBytes }),
    onBudget: (budget: Budget) => {
      said = budget;
      say(`budget: ${describeBudget(budget)}`);
    },
  };
  const budget = (): Budget | undefined => said;
  if (apply) {
    const cluster = { ...(await clusterFrom(flags)), forceConflicts: flags['force-conflicts'] };
    const store = await configMapsInCluster(location, cluster);
    return { target: { store, ...common }, budget, finish: async () => undefined, next: undefined };
  }
  if (yaml === undefined || yaml === '-' || /\.ya?ml$/.test(yaml)) {
    const file = yaml === '-' ? undefined : yaml;
    if (file !== undefined) await refuseExisting(file, false);
    const store = configMapsAsYaml(location);
    const finish = async (): Promise<string | undefined> => {
      if (file === undefined) return store.yaml();
      await committedFile(file, { force: false }, (handle) => handle.writeFile(store.yaml()));
      return undefined;
    };
    return { target: { store, ...common }, budget, finish, next: `kubectl ${applyWords} -f ${file ?? '-'}` };
  }
  const store = await configMapsInDirectory(location, yaml);
  return {
    target: { store, ...common },
    budget,
    finish: async () => undefined,
    next: `kubectl ${applyWords} -k ${yaml}`,
  };
}

/** Client-side apply would copy everything into an annotation, which is too small for it. */
const applyWords = 'apply --server-side --field-manager plugferry';

const contradiction = (one: string, other: string): PlugferryError =>
  new PlugferryError('E_USAGE', `--${one} and --${other} contradict each other`, {
    hint: 'Give one of them.',
  });

const needsApply = (): PlugferryError =>
  new PlugferryError('E_USAGE', '--force-conflicts needs --apply', {
    hint: 'Without --apply no cluster is asked; kubectl apply has an option of the same name.',
  });

const tooFew = (found: number): PlugferryError =>
  new PlugferryError('E_USAGE', `--max-bytes is ${found}`, {
    hint: 'Give a whole number of bytes from 1.',
    details: { found },
  });
