/** Lines between processes: the end of one is noticed, and snapshots go beside messages. */
import type { SnapshotOutcome, SnapshotParcel, SnapshotTransfer } from '@witan/replica';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

const NOTICED_MS = 2;
const SNAPSHOT_MS = 20;

/** Some of the others notice that their line to a process has ended, whether it died or not. */
export function breakLines(world: World, process: SimProcess): void {
  for (const other of world.live()) {
    if (other === process || world.network.isCut(process, other)) continue;
    if (world.diskRandom.chance(0.3)) continue;
    world.timeline.after(world.diskRandom.exponential(NOTICED_MS), () => {
      other.enter(() => {
        other.replica.cluster?.reportUnreachable(process.self);
      });
    });
  }
}

/** A transfer that arrives, fails half-way, or that the other side does not know how to take. */
export function sendSnapshot(
  world: World,
  from: SimProcess,
  to: SimProcess | undefined,
  parcel: SnapshotParcel,
): SnapshotTransfer {
  const { promise: finished, resolve } = Promise.withResolvers<SnapshotOutcome>();
  const cluster = from.replica.cluster;
  let isCancelled = false;
  const cancel = (): void => {
    isCancelled = true;
    resolve('failed');
  };
  const end = (outcome: SnapshotOutcome): void => {
    from.enter(() => {
      resolve(outcome);
    });
  };
  if (!from.called() || to?.alive !== true || cluster === undefined) {
    return { finished: Promise.resolve('failed'), cancel };
  }
  if (world.diskRandom.chance(0.03)) {
    return { finished: Promise.resolve('unsupported'), cancel };
  }
  const { clusterId, epoch, opening } = cluster;
  world.timeline.after(world.diskRandom.exponential(SNAPSHOT_MS), () => {
    const isLost = world.diskRandom.chance(world.network.noise.loss);
    if (isCancelled || isLost || !from.alive || !to.alive || world.network.isCut(from, to)) {
      end('failed');
      return;
    }
    to.enter(() => {
      const theirs = to.replica.cluster;
      const isExpected = theirs?.clusterId === clusterId && theirs.expectsSnapshot(from.self);
      if (isExpected) {
        theirs.receiveSnapshot({ from: from.self, clusterId, epoch, opening, ...parcel });
      }
      world.timeline.after(1, () => {
        end(isExpected ? 'arrived' : 'failed');
      });
    });
  });
  return { finished, cancel };
}
