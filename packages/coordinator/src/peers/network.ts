/**
 * Outgoing connections to the other slots: one each, attested both ways, made when needed and again
 * after a pause when lost. Raft messages go over two long streams, so that heartbeats wait behind
 * no appends; snapshots and calls have streams of their own beside them.
 *
 * Whoever answers at a slot's address is taken for what its channel proved, an incarnation, and
 * messages for another one are not sent there (I1).
 */
import {
  describeError,
  fromHex,
  incarnationId,
  type IncarnationId,
  type SlotName,
} from '@witan/core';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { PeerService, type LeadRequestSchema } from '@witan/protocol';
import {
  isSameLife,
  type Answer,
  type ClusterLife,
  type ConfirmAnswer,
  type ConfirmRequest,
  type Forwarded,
  type Genesis,
  type JoinAnswer,
  type JoinRequest,
  type Lane,
  type PeerCalls,
  type PeerIdentity,
  type RecoveryNotice,
  type SnapshotParcel,
  type SnapshotTransfer,
  type Standing,
} from '@witan/replica';
import type { CommandResult } from '@witan/state-machine';
import { TransportError } from '@witan/transport';
import { isListed } from '../evidence/rules.ts';
import { CoordinatorError } from '../errors.ts';
import { decodeResult, type Operation } from '../operations.ts';
import type { LeadAnswer } from '../services/lead.ts';
import { askOver } from './ask-leader.ts';
import type { PeerConnection } from './attested-peers.ts';
import { confirmAnswerFromWire, confirmRequestToWire } from './confirm-wire.ts';
import { closeLanes, lifeOf, requestsOf, type Line, type Origin } from './lanes.ts';
import { Outbox } from './outbox.ts';
import { deliverReopening, exchangeNotices } from './recovery-calls.ts';
import { deliverSeed } from './seed-calls.ts';
import { sendSnapshot } from './snapshot-out.ts';
import {
  joinAnswerFromWire,
  memberFromWire,
  memberToWire,
  openingToWire,
  operationToWire,
  standingFromWire,
  standingToWire,
  toNumber,
} from './wire.ts';

const GREET_MS = 2_000;
const CALL_MS = 10_000;
/** Addresses that are remembered beside those given. */
const LEARNED_MAX = 64;
const REDIAL_MS = 50;
const REDIAL_MS_MAX = 500;

export interface NetworkOptions {
  readonly self: PeerIdentity;
  readonly addresses: ReadonlyMap<SlotName, string>;
  /** Makes a channel; it names the incarnation that the other end proved to be. */
  readonly connect: (address: string, signal: AbortSignal) => Promise<PeerConnection>;
  /** The cluster that this replica belongs to, for the first batch of a stream. */
  readonly cluster: () => ClusterLife | undefined;
  readonly onLost: (peer: PeerIdentity) => void;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** One slot's line: up, being made, or down until a time. */
interface Slot {
  line: Line | undefined;
  dialling: Promise<Line> | undefined;
  redialMs: number;
  notBeforeMs: number;
  lastError: string;
}

export class PeerNetwork implements PeerCalls {
  readonly #options: NetworkOptions;
  readonly #slots = new Map<SlotName, Slot>();
  /** Of slots that were added after this process was started. A hint, like every address. */
  readonly #learned = new Map<SlotName, string>();
  readonly #abort = new AbortController();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  async greet(slot: SlotName, own: Standing): Promise<Answer<Standing>> {
    const line = await this.#line(slot);
    const response = await line.connection.unary(
      PeerService.method.greet,
      { standing: standingToWire(own) },
      { timeoutMs: GREET_MS },
    );
    return { from: incarnationId(line.incarnation), value: standingFromWire(response.standing) };
  }

  async deliverGenesis(
    slot: SlotName,
    receiver: string,
    genesis: Genesis,
  ): Promise<{ readonly accepted: boolean; readonly code: string }> {
    const line = await this.#line(slot);
    // The seed goes to the incarnation that the founding lists and to nobody else (I1).
    if (line.incarnation !== receiver) return { accepted: false, code: 'ANOTHER_INCARNATION' };
    const { claims } = line.connection.peer;
    // Nor to one that may only let this replica in (decision record 0045).
    if (isListed(claims)) return { accepted: false, code: 'NOT_SIMILAR' };
    const { reopening } = genesis;
    if (reopening !== undefined) return deliverReopening(line.connection, genesis, reopening);
    const { accepted, code } = await line.connection.unary(
      PeerService.method.deliverGenesis,
      {
        clusterId: fromHex(genesis.clusterId),
        seed: Uint8Array.from(genesis.seed.expose()),
        members: genesis.members.map(memberToWire),
        slots: [...genesis.slots],
      },
      { timeoutMs: CALL_MS },
    );
    return { accepted, code };
  }

  async join(slot: SlotName, request: JoinRequest): Promise<Answer<JoinAnswer>> {
    const line = await this.#line(slot);
    const response = await line.connection.unary(
      PeerService.method.join,
      { self: memberToWire(request.self), slots: [...request.slots] },
      { timeoutMs: CALL_MS },
    );
    const value = joinAnswerFromWire(response);
    if (value.kind === 'not-leader') this.#learn(value.leader);
    return { from: incarnationId(line.incarnation), value };
  }

  async confirmLog(slot: SlotName, request: ConfirmRequest): Promise<Answer<ConfirmAnswer>> {
    const line = await this.#line(slot);
    const response = await line.connection.unary(
      PeerService.method.confirmLog,
      confirmRequestToWire(request),
      { timeoutMs: CALL_MS },
    );
    return { from: incarnationId(line.incarnation), value: confirmAnswerFromWire(response) };
  }

  readonly deliverSeed: NonNullable<PeerCalls['deliverSeed']> = async (slot, receiver, delivery) =>
    deliverSeed(await this.#line(slot), receiver, delivery);

  async recover(
    slot: SlotName,
    receiver: IncarnationId,
    notice: RecoveryNotice,
  ): Promise<Answer<RecoveryNotice>> {
    const line = await this.#line(slot);
    // Shares and seed go to the incarnation that was attested for them and to nobody else (I1).
    if (line.incarnation !== receiver) {
      throw unreachable(slot, 'another incarnation has taken its place');
    }
    const value = await exchangeNotices(line.connection, notice);
    return { from: incarnationId(line.incarnation), value };
  }

  /** Runs a write on the leader. */
  async execute(
    leader: PeerIdentity,
    operation: Operation,
    timeoutMs: number,
  ): Promise<Forwarded<CommandResult>> {
    try {
      this.#learn(leader);
      const line = await this.#line(leader.slot);
      if (line.incarnation !== leader.incarnation) return { kind: 'not-leader' };
      const response = await line.connection.unary(
        PeerService.method.execute,
        operationToWire(operation),
        { timeoutMs },
      );
      if (response.code === '') {
        const result = decodeResult(response.result);
        return { kind: 'done', index: toNumber(response.index), result };
      }
      if (response.code !== 'REPLICA_NOT_LEADER') return { kind: 'failed', code: response.code };
      const next = response.leader === undefined ? {} : { leader: memberFromWire(response.leader) };
      return { kind: 'not-leader', ...next };
    } catch (error) {
      this.#options.onEvent('write not forwarded', {
        peer: leader.slot,
        error: describeError(error),
      });
      return { kind: 'failed', code: 'FORWARDING_FAILED' };
    }
  }

  /** Asks the leader what only it can answer. */
  async askLeader(
    leader: PeerIdentity,
    question: MessageInitShape<typeof LeadRequestSchema>,
    timeoutMs: number,
  ): Promise<LeadAnswer> {
    const onFailed = (error: string): void => {
      this.#options.onEvent('question not forwarded', { peer: leader.slot, error });
    };
    this.#learn(leader);
    const line = await this.#line(leader.slot).catch((error: unknown) => {
      onFailed(describeError(error));
    });
    if (line?.incarnation !== leader.incarnation) return { kind: 'not-leader' };
    return askOver(line.connection, question, timeoutMs, onFailed);
  }

  /** @returns false when there is no line to that incarnation now; one is being made */
  send(to: PeerIdentity, messages: readonly Uint8Array[], lane: Lane): boolean {
    const line = this.#slots.get(to.slot)?.line;
    if (line === undefined) {
      this.#learn(to);
      this.#line(to.slot).catch(() => undefined);
      return false;
    }
    if (line.incarnation !== to.incarnation) return false;
    this.#keepToLife(line);
    try {
      const outbox = line.lanes[lane] ?? this.#openStream(to, line, lane);
      return outbox?.push(messages) ?? false;
    } catch (error) {
      // The connection has just ended, and its end was not seen to yet.
      if (!(error instanceof TransportError)) throw error;
      return false;
    }
  }

  /** Sends a snapshot to that incarnation, over as many lines as it takes. */
  sendSnapshot(to: PeerIdentity, parcel: SnapshotParcel): SnapshotTransfer {
    const origin = this.#origin();
    return sendSnapshot({
      parcel,
      origin: origin ?? {},
      open: async (requests) => {
        const line = await this.#line(to.slot);
        const isStillIts = line.incarnation === to.incarnation && origin !== undefined;
        if (!isStillIts) throw unreachable(to.slot, 'another incarnation has taken its place');
        return line.connection.stream(PeerService.method.sendSnapshot, requests);
      },
      onBroken: (error, offset) => {
        const fields = { peer: to.slot, offset, error: describeError(error) };
        this.#options.onEvent('snapshot transfer broke off', fields);
      },
    });
  }

  /** The slot has just called, so it can be reached: no need to wait before dialling again. */
  heardFrom(slot: SlotName): void {
    const state = this.#slots.get(slot);
    if (state === undefined) return;
    state.notBeforeMs = 0;
    state.redialMs = REDIAL_MS;
  }

  /** Judges every connected peer again, as the rules have changed. @returns how many were cut */
  async reverify(): Promise<number> {
    const lines = [...this.#slots.values()].flatMap(({ line }) => line ?? []);
    const good = await Promise.all(lines.map(({ connection }) => connection.reverify()));
    return good.filter((isGood) => !isGood).length;
  }

  close(): void {
    this.#abort.abort();
    for (const slot of this.#slots.values()) slot.line?.connection.close('stopping');
  }

  /** A stream names its cluster and epoch once: those of another one need another stream. */
  #keepToLife(line: Line): void {
    const cluster = this.#options.cluster();
    const isSame =
      cluster === undefined || line.life === undefined
        ? cluster === line.life
        : isSameLife(cluster, line.life);
    if (isSame) return;
    closeLanes(line);
    line.life = cluster === undefined ? undefined : lifeOf(cluster);
  }

  #openStream(to: PeerIdentity, line: Line, lane: Lane): Outbox | undefined {
    const first = this.#origin();
    if (first === undefined) return undefined;
    const outbox = new Outbox();
    const requests = requestsOf(first, outbox);
    const responses = line.connection.stream(PeerService.method.exchange, requests);
    line.lanes[lane] = outbox;
    void this.#drain(responses, to, { line, lane, outbox });
    return outbox;
  }

  #origin(): Origin | undefined {
    const cluster = this.#options.cluster();
    if (cluster === undefined) return undefined;
    return {
      clusterId: fromHex(cluster.clusterId),
      epoch: BigInt(cluster.epoch),
      opening: openingToWire(cluster.opening),
      self: memberToWire(this.#options.self),
    };
  }

  async #drain(
    responses: AsyncIterable<unknown>,
    to: PeerIdentity,
    { line, lane, outbox }: { readonly line: Line; readonly lane: Lane; readonly outbox: Outbox },
  ): Promise<void> {
    try {
      for await (const response of responses) void response;
    } catch (error) {
      this.#options.onEvent('message stream ended', { peer: to.slot, error: describeError(error) });
    }
    outbox.close();
    if (line.lanes[lane] === outbox) delete line.lanes[lane];
    this.#options.onLost(to);
  }

  #line(slot: SlotName): Promise<Line> {
    const state = this.#slot(slot);
    if (state.line !== undefined) return Promise.resolve(state.line);
    if (state.dialling !== undefined) return state.dialling;
    const nowMs = performance.now();
    if (nowMs < state.notBeforeMs || this.#abort.signal.aborted) {
      return Promise.reject(unreachable(slot, state.lastError));
    }
    state.dialling = this.#dial(slot, state).finally(() => {
      state.dialling = undefined;
    });
    return state.dialling;
  }

  async #dial(slot: SlotName, state: Slot): Promise<Line> {
    const address = this.#options.addresses.get(slot) ?? this.#learned.get(slot);
    if (address === undefined) throw unreachable(slot, 'no address is set');
    try {
      const connection = await this.#options.connect(address, this.#abort.signal);
      const incarnation = connection.peer.spkiSha256;
      const line: Line = { connection, incarnation, lanes: {}, life: undefined };
      state.line = line;
      state.redialMs = REDIAL_MS;
      this.#options.onEvent('peer attested', { peer: slot, incarnation: line.incarnation });
      void connection.closed.then(() => {
        if (state.line === line) state.line = undefined;
        closeLanes(line);
      });
      return line;
    } catch (error) {
      const text = describeError(error);
      if (text !== state.lastError) {
        this.#options.onEvent('peer not reached', { peer: slot, address, error: text });
      }
      state.lastError = text;
      state.notBeforeMs = performance.now() + state.redialMs;
      state.redialMs = Math.min(state.redialMs * 2, REDIAL_MS_MAX);
      throw error;
    }
  }

  #learn(peer: PeerIdentity | undefined): void {
    if (peer === undefined || this.#options.addresses.has(peer.slot)) return;
    if (this.#learned.size >= LEARNED_MAX) this.#learned.clear();
    this.#learned.set(peer.slot, peer.address);
  }

  #slot(slot: SlotName): Slot {
    const known = this.#slots.get(slot);
    if (known !== undefined) return known;
    const state: Slot = {
      line: undefined,
      dialling: undefined,
      redialMs: REDIAL_MS,
      notBeforeMs: 0,
      lastError: '',
    };
    this.#slots.set(slot, state);
    return state;
  }
}

function unreachable(slot: SlotName, reason: string): CoordinatorError {
  const message = 'slot is not reachable now';
  return new CoordinatorError('COORDINATOR_PEER_UNREACHABLE', message, {
    fields: { slot, reason },
  });
}
