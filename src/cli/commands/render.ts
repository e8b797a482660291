import { group } from '../group.js';
import deployment from './render/deployment.js';
import resources from './render/resources.js';

export default group('render', 'Write what a cluster needs to use the plugins of a bundle or volume', [
  resources,
  deployment,
]);
