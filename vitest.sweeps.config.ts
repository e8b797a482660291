import { defineConfig } from 'vitest/config';
import { common, sweeps } from './vitest.config.js';

export default defineConfig({ test: { ...common, include: sweeps, maxWorkers: 2, testTimeout: 300_000 } });
