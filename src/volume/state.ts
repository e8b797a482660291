import { PlugferryError, systemCode } from '../errors.js';
import { parseDocument } from '../schema/parse.js';
import type { State } from '../schema/state.js';
import { orIfMissing } from './disk.js';
import type { VolumeLayout } from './layout.js';

/** Most bytes of state.json. The schema bounds lists and texts: what fits it has less than 3 MiB. */
const maxState = 4 * 1024 * 1024;
const hint =
  'It remembers the newest bundle of each set. Put it back from a backup; or move it away: it is then made again from ' +
  'the releases that are kept, which forgets newer bundles whose releases are gone.';

/**
 * The committed state, or undefined when there is none.
 *
 * @throws PlugferryError `E_RELEASE` when it is damaged: it holds the anti-rollback floor, so it is never just ignored.
 */
export async function readState(layout: VolumeLayout): Promise<State | undefined> {
  const bytes = await orIfMissing(layout.files.readFile(layout.state, maxState), undefined).catch(
    tooLarge(layout),
  );
  if (bytes === undefined) return undefined;
  return parseDocument('state', bytes, { file: layout.state, code: 'E_RELEASE', hint });
}

const tooLarge =
  ({ state }: VolumeLayout) =>
  (error: unknown): never => {
    if (systemCode(error) !== 'EFBIG') throw error;
    throw new PlugferryError(
      'E_RELEASE',
      `${state} is larger than ${maxState} bytes, as Plugferry writes none`,
      {
        hint,
        details: { file: state, expected: maxState },
        cause: error,
      },
    );
  };

/**
 * `state` without a change that was committed but never switched to: readers go by the link, so the link decides. `current`
 * is the release that `plugins` points to.
 */
export function settledState(state: State, current: string | undefined): State {
  const last = state.history.at(-1);
  if (last === undefined || last.release === current || last.previous !== current) return state;
  // Without a current release only an adoption can have been cut short: a first import is finished by the next run.
  const wasCutShort = current !== undefined || last.action === 'adopt';
  return wasCutShort ? { ...state, history: state.history.slice(0, -1) } : state;
}
