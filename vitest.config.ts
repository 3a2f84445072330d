/** The two test projects. What a test needs beside Node is set up by its own file. */
import { defineConfig } from 'vitest/config';

// `unit` runs in parallel, and starts at most small processes of its own; `integration` starts real
// Coordinators, one file at
// a time, because two clusters on two cores would only measure each other.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'test/repository/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
