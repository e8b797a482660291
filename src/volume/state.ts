import { parseDocument } from '../schema/parse.js';
import type { State } from '../schema/state.js';
import { orIfMissing } from './disk.js';
import type { VolumeLayout } from './layout.js';

/**
 * The committed state, or undefined when there is none.
 *
 * @throws PlugferryError `E_RELEASE` when it is damaged: it holds the anti-rollback floor, so it is never just ignored.
 */
export async function readState(layout: VolumeLayout): Promise<State | undefined> {
  const bytes = await orIfMissing(layout.files.readFile(layout.state), undefined);
  if (bytes === undefined) return undefined;
  return parseDocument('state', bytes, {
    file: layout.state,
    code: 'E_RELEASE',
    hint:
      'It remembers the newest bundle of each set. Put it back from a backup; or move it away: it is then made again from ' +
      'the releases that are kept, which forgets newer bundles whose releases are gone.',
  });
}

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
