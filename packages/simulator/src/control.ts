/**
 * The negative control: what happens without invariant I2. A process comes back under its old node
 * id and takes term, vote and log from a disk that may show an old state. The checks must notice.
 *
 * The real driver has no way to do this, so that the state is fed to it as messages of its peers.
 */
import { makeMessage, encodeMessage, nodeId, type Message } from 'raft-ts';
import type { DurableView } from './disk.ts';
import { readBack } from './disk.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** The context of votes in a leadership transfer, which are not refused under a lease. */
const TRANSFER = new TextEncoder().encode('CampaignTransfer');

export async function restoreFromDisk(
  world: World,
  process: SimProcess,
  crash: { readonly power: boolean; readonly restartMs: number },
): Promise<void> {
  const genesis = world.geneses.get(process.self.nodeId);
  if (genesis === undefined || !process.alive) return;
  const disk = world.disks[process.slot];
  // The host shows any state that the disk was ever in, the state before the first write included.
  if (disk !== undefined && disk.images.length === 0) disk.keepImage(disk.image);
  world.kill(process, crash.power, 'rolled-back');
  const old = (await readBack(process.log.directory, disk?.image ?? new Map())) ?? undefined;
  world.timeline.after(crash.restartMs, () => {
    const reborn = world.start(process.slot, process);
    // Only here a journal is opened again by whoever wrote it: a damaged one says so.
    reborn.mayFail = true;
    const other = genesis.members.find((member) => member.nodeId !== process.self.nodeId);
    if (other === undefined) return;
    reborn.replica.genesisDelivered(genesis, other.incarnation);
    const cluster = reborn.replica.cluster;
    if (cluster === undefined || old === undefined) return;
    for (const message of memoryOf(old, process.self.nodeId, other.nodeId)) {
      const from = genesis.members.find((member) => member.nodeId === message.from);
      if (from === undefined) continue;
      const bytes = encodeMessage(message);
      const { clusterId, epoch, opening } = cluster;
      reborn.replica.messagesArrived(from, { clusterId, epoch, opening }, [bytes]);
    }
  });
}

function memoryOf(old: DurableView, self: number, other: number): readonly Message[] {
  const to = nodeId(self);
  const entries = [...old.entries.values()].toSorted((a, b) => a.index - b.index);
  const term = old.hardState?.term ?? 1;
  const vote = old.hardState?.vote ?? 0;
  const messages: Message[] = [];
  const last = entries.at(-1);
  if (last !== undefined && entries[0]?.index === 2) {
    const commit = Math.min(old.hardState?.commit ?? 1, last.index);
    const place = { index: 1, logTerm: 1, entries, commit, term: last.term };
    messages.push(makeMessage({ type: 'MsgApp', to, from: nodeId(other), ...place }));
  }
  if (vote !== 0 && vote !== self) {
    const far = { index: 1_000_000, logTerm: term, context: TRANSFER };
    messages.push(makeMessage({ type: 'MsgVote', to, from: nodeId(vote), term, ...far }));
  }
  return messages;
}
