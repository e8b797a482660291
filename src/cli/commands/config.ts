import { group } from '../group.js';
import show from './config/show.js';

export default group('config', 'Say what a configuration file and the environment make of options', [show]);
