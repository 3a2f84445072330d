/** Finding and moving the leader, by the calls that both systems have. */
import { PATHS, decodeStatus, encodeMoveLeader, type MemberStatus } from './etcd-wire.ts';
import { GrpcClient } from './grpc-client.ts';

const NOTHING = new Uint8Array(0);
const STATUS_MS = 1_000;
const LOOK_MS = 2;

/** Clients of all members of a group. */
export class Members {
  readonly endpoints: readonly string[];
  readonly #clients: (GrpcClient | undefined)[];

  constructor(endpoints: readonly string[]) {
    this.endpoints = endpoints;
    this.#clients = endpoints.map(() => undefined);
  }

  async #status(member: number): Promise<MemberStatus | undefined> {
    const endpoint = this.endpoints[member] ?? '';
    const client = (this.#clients[member] ??= new GrpcClient(endpoint));
    try {
      return decodeStatus(await client.call(PATHS.status, NOTHING, STATUS_MS));
    } catch {
      client.close();
      this.#clients[member] = undefined;
      return undefined;
    }
  }

  /** The position of the member that says that it leads itself; -1 while none does. */
  async leader(): Promise<number> {
    const all = await Promise.all(this.endpoints.map((_, at) => this.#status(at)));
    let leader = -1;
    let term = -1n;
    all.forEach((status, at) => {
      const leads = status !== undefined && status.leaderId === status.memberId;
      if (!leads || status.term <= term) return;
      leader = at;
      ({ term } = status);
    });
    return leader;
  }

  /** Waits for a leader. @throws Error when there is none after `withinMs` */
  async untilLeader(withinMs: number): Promise<number> {
    const untilMs = performance.now() + withinMs;
    while (performance.now() < untilMs) {
      const leader = await this.leader();
      if (leader >= 0) return leader;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new Error('the group has no leader');
  }

  /** Asks the leader to hand over to another member. */
  async move(from: number, to: number): Promise<void> {
    const target = await this.#status(to);
    const client = this.#clients[from];
    if (target === undefined || client === undefined) throw new Error('a member does not answer');
    await client.call(PATHS.moveLeader, encodeMoveLeader(target.memberId), 10_000);
  }

  close(): void {
    for (const client of this.#clients) client?.close();
  }
}
