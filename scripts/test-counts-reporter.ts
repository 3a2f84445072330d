/**
 * A vitest reporter that names every skipped suite, each with its reason, and leaves the counts in
 * the file that WITAN_TEST_COUNTS names, for run-tests.ts. It prints no verdict itself.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

/** Outcome of one vitest run. A file that cannot be loaded and a stray error count as failures. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

class TestCountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      const skipped: TestCase[] = [];
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed += 1;
        else if (state === 'failed') failedHere += 1;
        else skipped.push(test);
      }
      // Hooks and imports fail without failing a test.
      if (failedHere === 0 && module.state() === 'failed') failedHere = 1;
      counts.failed += failedHere;
      counts.skipped += skipped.length;
      nameSkipped(module, skipped);
    }
    const path = process.env['WITAN_TEST_COUNTS'];
    if (path !== undefined) writeFileSync(path, JSON.stringify(counts satisfies TestCounts));
  }
}

function nameSkipped(module: TestModule, tests: readonly TestCase[]): void {
  const counts = new Map<string, number>();
  for (const test of tests) {
    const result = test.result();
    const note = result.state === 'skipped' ? result.note : undefined;
    const suite = test.parent.type === 'suite' ? test.parent.fullName : test.name;
    const label = note === undefined ? suite : `${suite} (${note})`;
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  for (const [label, count] of counts) {
    console.log(`SKIPPED ${count} in ${module.relativeModuleId}: ${label}`);
  }
}

// oxlint-disable-next-line import/no-default-export -- vitest loads a reporter by default export
export default TestCountsReporter;
