/** The test projects. What a test needs beside Node is set up by its own file. */
import { defineConfig } from 'vitest/config';

// `pure` and `unit` run in parallel, and start at most small processes of their own. Suites of pure
// packages and the driver leave nothing behind in a process, so their files share some, which saves
// loading everything anew for each. `integration` starts real Coordinators: two files at a time on
// two cores, because they mostly wait, and each cluster has directories and ports of its own.
const PURE = 'packages/{core,raft-ts,manifest,attestation,state-machine,replica,keys}/test';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'pure',
          include: [`${PURE}/**/*.test.ts`],
          isolate: false,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'test/repository/**/*.test.ts'],
          exclude: [`${PURE}/**`, '**/node_modules/**'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
