/** Replicas in a world of virtual time, for tests of what is built on the driver. */
export { replayFormerLog } from '../src/recovery/replay.ts';
export { World, type Node, type Surroundings } from './world.ts';
