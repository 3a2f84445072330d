/**
 * The rollback drill in its short form: an old disk and an old log are no majority (I2, I3). The
 * others, and the control that has to fail, run with `npm run drill:all`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeReport, runDrill } from '@witan/devcluster';

let directory = '';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witan-drill-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

it('holds against a host that puts old disks back (I2, I3)', async () => {
  const { signal } = new AbortController();
  const report = await runDrill('rollback', {
    directory,
    signal,
    short: true,
    write: () => undefined,
  });
  expect(report, describeReport(report)).toMatchObject({
    ok: true,
    lost: 0,
    leaks: [],
    secondHistory: false,
    workloads: { connectionSurvived: true, certificatesAccepted: true },
  });
  expect(report.acknowledged).toBeGreaterThan(100);
  expect(report.detected.map(({ event }) => event)).toContain('newcomer swapped in');
});
