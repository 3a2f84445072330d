/**
 * Raft messages on their way out, in three lanes that do not wait for one another: heartbeats,
 * votes and acknowledgements; appends, which must keep their order; and snapshots.
 */
import { encodeMessage, type Message, type NodeId } from 'raft-ts';
import type { Lane, MessageSink, SnapshotOutcome, SnapshotTransfer } from '../ports.ts';

/** What a mailer is made from. */
export interface MailerOptions {
  readonly sink: MessageSink;
  /** There is no way to that node now. */
  readonly onUnreachable: (to: NodeId) => void;
  /** A snapshot arrived as a whole, or will not. Called once for each MsgSnap. */
  readonly onSnapshotSent: (to: NodeId, arrived: boolean) => void;
}

const NO_STATE = new Uint8Array(0);

/** See the head of this file. */
export class Mailer {
  readonly #options: MailerOptions;
  readonly #waiting = new Map<NodeId, Record<Lane, Uint8Array[]>>();
  readonly #transfers = new Map<NodeId, SnapshotTransfer>();

  constructor(options: MailerOptions) {
    this.#options = options;
  }

  /** Keeps a message until `flush`; a snapshot sets out at once. */
  post(message: Message): void {
    if (!this.#sendSnapshot(message)) this.#postInline(message);
  }

  #postInline(message: Message): void {
    const { to, snapshot } = message;
    let lanes = this.#waiting.get(to);
    if (lanes === undefined) {
      lanes = { urgent: [], bulk: [] };
      this.#waiting.set(to, lanes);
    }
    lanes[laneOf(message)].push(encodeMessage(message));
    // In a channel that keeps order whatever follows a snapshot arrives after it, and a broken
    // channel reports the peer as unreachable, which starts probing again.
    if (snapshot !== undefined) this.#options.onSnapshotSent(to, true);
  }

  /** Sends what was posted, one batch for each lane. */
  flush(): void {
    if (this.#waiting.size === 0) return;
    for (const [to, lanes] of this.#waiting) {
      const sent = [this.#send(to, lanes, 'urgent'), this.#send(to, lanes, 'bulk')];
      if (sent.includes(false)) this.#options.onUnreachable(to);
    }
    this.#waiting.clear();
  }

  /** Only a leader's snapshots are of use. */
  cancelSnapshots(): void {
    for (const transfer of this.#transfers.values()) transfer.cancel();
    this.#transfers.clear();
  }

  #send(to: NodeId, lanes: Record<Lane, Uint8Array[]>, lane: Lane): boolean {
    return lanes[lane].length === 0 || this.#options.sink.send(to, lanes[lane], lane);
  }

  /** @returns false for whatever is no snapshot, or must travel like any other message */
  #sendSnapshot(message: Message): boolean {
    const { to, snapshot } = message;
    if (snapshot === undefined || this.#options.sink.sendSnapshot === undefined) return false;
    // The state goes beside the message, so that it is neither copied nor encoded as a whole.
    const bare = encodeMessage({ ...message, snapshot: { ...snapshot, data: NO_STATE } });
    this.#transfers.get(to)?.cancel();
    const parcel = { message: bare, state: snapshot.data };
    const transfer = this.#options.sink.sendSnapshot(to, parcel);
    this.#transfers.set(to, transfer);
    const report = (outcome: SnapshotOutcome): void => {
      // A cancelled transfer tells nothing of the one that took its place.
      if (this.#transfers.get(to) !== transfer) return;
      this.#transfers.delete(to);
      if (outcome === 'unsupported') {
        this.#postInline(message);
        this.flush();
      } else this.#options.onSnapshotSent(to, outcome === 'arrived');
    };
    transfer.finished.then(report, () => {
      report('failed');
    });
    return true;
  }
}

/** Appends among themselves keep their order, also empty ones; nothing else needs any. */
function laneOf({ type }: Message): Lane {
  return type === 'MsgApp' || type === 'MsgSnap' || type === 'MsgProp' ? 'bulk' : 'urgent';
}
