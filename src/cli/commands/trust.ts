import { group } from '../group.js';
import add from './trust/add.js';
import init from './trust/init.js';
import list from './trust/list.js';
import retire from './trust/retire.js';
import roots from './trust/roots.js';
import revokeBundle from './trust/revoke-bundle.js';
import revoke from './trust/revoke.js';
import set from './trust/set.js';
import update from './trust/update.js';

export default group('trust', 'Say whose signatures count here, and what else a bundle needs', [
  init,
  add,
  set,
  roots,
  list,
  retire,
  revoke,
  revokeBundle,
  update,
]);
