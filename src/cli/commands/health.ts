import { checkHealth } from '../../operations/check-health.js';
import { command } from '../command.js';

export default command({
  name: 'health',
  describe: 'Ask a server once whether it is ready; for health checks of containers that have no curl',
  positionals: {
    url: {
      type: 'string',
      default: 'http://127.0.0.1:8080/readyz',
      describe: 'What to ask: /readyz says whether plugins are served, /healthz whether the program runs',
    },
  },
  options: {
    'timeout-ms': { type: 'number', default: 2000, describe: 'How long the whole answer may take' },
  },
  examples: [['http://127.0.0.1:8080/readyz', 'Exit code 0 when it is ready, 8 when it is not']],
  async run({ url, ...flags }, { signal }) {
    const health = await checkHealth({ url, timeoutMs: flags['timeout-ms'], signal });
    return { json: health, text: 'HEALTHY' };
  },
});
