/**
 * The negative control: the rollback drill with a Coordinator in which disk restores the right to
 * vote. A drill that held there would show nothing.
 */
import { REPOSITORY_ROOT, type ProgramSpec } from '@witan/tee-sim';

/** The Coordinator with invariant I2 switched off; see the head of its entry. */
export const WITHOUT_I2: ProgramSpec = {
  name: 'coordinator-without-i2',
  entry: 'packages/devcluster/testing/without-i2-main.ts',
  files: ['packages', 'package-lock.json'],
  root: REPOSITORY_ROOT,
};
