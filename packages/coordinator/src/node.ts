/**
 * One Coordinator, wired: evidence, channel, replica, services. Every adapter is chosen here and
 * nowhere else.
 */
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import type { EvidenceProvider } from '@witan/attester';
import { describeError, fromHex, type ClusterId, type Epoch } from '@witan/core';
import {
  createIncarnationIdentity,
  nodeCrypto,
  nodeRandom,
  seedFromBytes,
  systemClock,
  type IncarnationIdentity,
} from '@witan/keys';
import {
  Replica,
  Writer,
  type Cluster,
  type DurableLog,
  type PeerIdentity,
  type Seed,
} from '@witan/replica';
import { nodeIdOf, STATE_VERSION, type CommandResult } from '@witan/state-machine';
import { createAttestedServer, type AttestedServer } from '@witan/transport';
import type { ProgramEndorsements } from '@witan/endorsements';
import type { CoordinatorConfig } from './config.ts';
import { endorsementsOf, proverOf } from './evidence/endorsements.ts';
import { Rules, type PeerClaims } from './evidence/rules.ts';
import { settled } from './evidence/settled.ts';
import {
  collectSelfEvidence,
  logSelf,
  type CoordinatorTee,
  type SelfEvidence,
} from './evidence/self.ts';
import { checkSlots, readInitdata, type CoordinatorInitdata } from './initdata.ts';
import type { EventLog } from './log.ts';
import { finishOperation, prepareOperation, type Operation } from './operations.ts';
import { attestedPeers } from './peers/attested-peers.ts';
import { PeerNetwork } from './peers/network.ts';
import { historyPublicKey } from './peers/seed-wire.ts';
import { eventLog } from './event-log.ts';
import { recoveryPorts } from './recovery/ports.ts';
import { handOver, waitUntilSafe } from './hand-over.ts';
import { nodeScheduler } from './scheduler.ts';
import type { Metrics } from '@witan/telemetry';
import { servicesByRole } from './services/by-role.ts';
import { READ_MS, seedOf, type ServiceContext } from './services/context.ts';
import { sealingDeskOf, type SealingDesk } from './sealing/sealing-desk.ts';
import { openDataDirectory, type DataDirectory } from './storage/data-directory.ts';
import { ClaimsNoter } from './storage/claims-noter.ts';
import { SealedLog } from './storage/durable-log.ts';
import { createKeyring, generationsOf, type KeyringOptions } from './storage/keyring.ts';
import { transportLog } from './transport-log.ts';
import { formerLogReader } from './storage/newest-former-log.ts';
import { VERSION } from './version.ts';

export interface NodeOptions {
  readonly config: CoordinatorConfig;
  readonly evidenceProvider: EvidenceProvider<CoordinatorTee>;
  readonly profile: 'production' | 'development';
  readonly log: EventLog;
  readonly counters: Metrics;
  /** This process must end: it was replaced, or cannot go on safely. */
  readonly onEnd: (
    end: { readonly kind: 'removed' } | { readonly kind: 'fatal'; readonly error: unknown },
  ) => void;
}

export interface CoordinatorNode {
  readonly port: number;
  readonly identity: PeerIdentity;
  /** Returns when the rest keeps its quorum without this replica, or when time is up. */
  waitUntilSafe(timeoutMs: number): Promise<void>;
  /** Hands leadership over where it has it, then stops. */
  stop(): Promise<void>;
}

/** Trust is looked at again this often, also when no rule has changed, in milliseconds. */
const REVERIFY_MS = 10 * 60_000;

/** @throws CodedError with the next step to take */
export async function startNode(options: NodeOptions): Promise<CoordinatorNode> {
  const { config, evidenceProvider, profile } = options;
  const initdata = await readInitdata(config.initdataFile);
  checkSlots(config, initdata);
  const endorsements = endorsementsOf(options, initdata);
  const self = await collectSelfEvidence({
    provider: endorsements.startProvider(evidenceProvider),
    initdata,
    profile,
    crypto: nodeCrypto,
    clock: systemClock,
  });
  logSelf(options.log, self);
  const identity = createIncarnationIdentity();
  const directory = await openDataDirectory(config.dataDirectory, identity.id);
  try {
    return await new Wiring(options, endorsements, initdata, self, identity, directory).start();
  } catch (error) {
    endorsements.close();
    await directory.release();
    throw error;
  }
}

class Wiring {
  readonly #options: NodeOptions;
  readonly #event: ReturnType<typeof eventLog>;
  readonly #endorsements: ProgramEndorsements;
  readonly #directory: DataDirectory;
  readonly #peer: PeerIdentity;
  readonly #network: PeerNetwork;
  readonly #replica: Replica<ReferenceValues>;
  readonly #server: AttestedServer<PeerClaims>;
  readonly #services: ServiceContext;
  readonly #rules: Rules;
  #log: SealedLog | undefined;
  #claims: ClaimsNoter | undefined;
  #keys: KeyringOptions | undefined;
  #sealing: SealingDesk | undefined;
  /** Generation and digest of the manifest that peers are judged by. */
  #inForce = '0 ';
  #droppedEarlier = false;
  #cancelReverify: () => void = () => undefined;

  constructor(
    options: NodeOptions,
    endorsements: ProgramEndorsements,
    initdata: CoordinatorInitdata,
    self: SelfEvidence,
    identity: IncarnationIdentity,
    directory: DataDirectory,
  ) {
    this.#options = options;
    this.#event = eventLog(options);
    this.#endorsements = endorsements;
    this.#directory = directory;
    const { config } = options;
    this.#peer = {
      nodeId: nodeIdOf(identity.id),
      slot: config.slot,
      incarnation: identity.id,
      address: config.peers.get(config.slot) ?? '',
      version: STATE_VERSION,
    };
    this.#rules = new Rules({
      self,
      listed: initdata.peers,
      // In a recovery that of the best state that is known (I1).
      manifest: () => this.#replica.manifestInForce,
      generation: () => settled(this.#replica)?.generation ?? 0,
      profile: options.profile,
      crypto: nodeCrypto,
      clock: systemClock,
      ...(endorsements.source === undefined ? {} : { endorsements: endorsements.source }),
    });
    const channelIdentity = {
      privateKeyPem: identity.tlsKeyPem,
      certificatePem: identity.tlsCertificatePem,
      spkiDer: identity.spkiDer,
    };
    const prover = proverOf(endorsements.provider(options.evidenceProvider));
    this.#network = new PeerNetwork({
      self: this.#peer,
      addresses: config.peers,
      connect: attestedPeers({
        identity: channelIdentity,
        prover,
        verifier: () => this.#rules.replicaVerifier(),
      }),
      cluster: () => this.#replica.cluster,
      onLost: (peer) => this.#replica.cluster?.reportUnreachable(peer),
      onEvent: this.#event,
    });
    this.#replica = this.#createReplica(initdata);
    this.#services = this.#context(self);
    const services = servicesByRole(this.#services);
    this.#server = createAttestedServer<PeerClaims>({
      identity: channelIdentity,
      prover,
      verifiers: {
        replica: this.#rules.replicaVerifier(),
        initializer: this.#rules.workloadVerifier(),
      },
      clock: systemClock,
      helloClusterId: () => idBytesOf(this.#replica.cluster),
      services: (peer) => services[peer.role],
      onEvent: transportLog(options),
    });
  }

  async start(): Promise<CoordinatorNode> {
    const { port } = await this.#server.listen(this.#options.config.listen);
    this.#options.log.info('listening', {
      slot: this.#peer.slot,
      port,
      incarnation: this.#peer.incarnation,
      sealedStateFound: this.#directory.holdsSealedState,
    });
    this.#replica.start();
    this.#scheduleReverify();
    return {
      port,
      identity: this.#peer,
      waitUntilSafe: (timeoutMs) => waitUntilSafe(this.#services, timeoutMs, this.#event),
      stop: () => this.#stop(),
    };
  }

  #createReplica(initdata: CoordinatorInitdata): Replica<ReferenceValues> {
    this.#sealing = sealingDeskOf(initdata.sealing, {
      earlier: [...this.#directory.earlier],
      scheduler: nodeScheduler,
      onEvent: this.#event,
    });
    return new Replica<ReferenceValues>({
      self: this.#peer,
      slots: initdata.slots,
      holdsSealedState: this.#directory.holdsSealedState,
      peers: this.#network,
      send: (to, messages, lane) => this.#network.send(to, messages, lane),
      sendSnapshot: (to, parcel) => this.#network.sendSnapshot(to, parcel),
      openKeyring: (seed, clusterId, epoch) => {
        this.#keys = this.#keyParts(seed, clusterId, epoch);
        return createKeyring(this.#keys);
      },
      recovery: recoveryPorts({
        directories: this.#directory.earlier,
        incarnation: this.#peer.incarnation,
        onEvent: this.#event,
        providerSeeds: this.#sealing?.seeds,
      }),
      openDurableLog: (seed, clusterId, epoch) => this.#openLog(seed, clusterId, epoch),
      readFormerLog: formerLogReader({ earlier: this.#directory.earlier, onEvent: this.#event }),
      historyPublicKey,
      crypto: nodeCrypto,
      random: nodeRandom,
      machine: { parseReferenceValues },
      scheduler: nodeScheduler,
      onEvent: this.#event,
      onChange: () => {
        this.#changed();
      },
      fatal: (error) => {
        this.#options.onEnd({ kind: 'fatal', error });
      },
    });
  }

  /** Called again in one process that enters the next epoch, or another cluster. */
  #openLog(seed: Seed, clusterId: ClusterId, epoch: Epoch): DurableLog {
    this.#log?.close().catch((error: unknown) => {
      this.#options.log.warn('journal not closed', { error: describeError(error) });
    });
    this.#droppedEarlier = false;
    const log = new SealedLog({
      // The keyring is opened first: its generations of keys are the log's too.
      ...(this.#keys ?? this.#keyParts(seed, clusterId, epoch)),
      directory: this.#directory.nextJournal(),
      onOpen: () => {
        this.#event('journal opened', {});
      },
      onSync: ({ bytes }) => {
        this.#options.counters.count('journal_syncs');
        this.#options.counters.count('journal_bytes', bytes);
      },
    });
    this.#log = log;
    this.#claims = new ClaimsNoter(log, (error) => {
      this.#options.log.warn('claims not written', { error: describeError(error) });
    });
    return log;
  }

  #keyParts(seed: Seed, clusterId: ClusterId, epoch: Epoch): KeyringOptions {
    const generations = generationsOf(seed, clusterId);
    return { clusterId, epoch, incarnation: this.#peer.incarnation, generations };
  }

  #context(self: SelfEvidence): ServiceContext {
    const writer = new Writer<Operation, CommandResult, ReferenceValues>({
      cluster: () => this.#replica.cluster,
      scheduler: nodeScheduler,
      prepare: (operation) => {
        const cluster = this.#replica.cluster;
        if (cluster === undefined) throw new Error('a leader belongs to a cluster');
        return prepareOperation(operation, {
          seedOf: (number) => seedOf(cluster, number),
          candidateOf: (number, digest) => {
            const seed = cluster.seeds.candidateOf(number, digest);
            return seed === undefined ? undefined : seedFromBytes(seed.expose());
          },
          view: cluster.state.machine,
          confirm: async () => {
            await cluster.engine.readBarrier({ timeoutMs: READ_MS });
          },
          require: (version) => cluster.versions.require(version),
          crypto: nodeCrypto,
          clock: systemClock,
        });
      },
      finish: finishOperation,
      forward: (leader, operation, timeoutMs) =>
        this.#network.execute(leader, operation, timeoutMs),
    });
    return {
      replica: this.#replica,
      writer,
      rules: this.#rules,
      slot: this.#peer.slot,
      heardFrom: (slot) => {
        this.#network.heardFrom(slot);
      },
      askPeer: (leader, question, timeoutMs) =>
        this.#network.askLeader(leader, question, timeoutMs),
      crypto: nodeCrypto,
      clock: systemClock,
      counters: this.#options.counters,
      version: VERSION,
      simulatedSelf: self.claims.simulated,
    };
  }

  #changed(): void {
    const phase = this.#replica.phase();
    if (phase === 'removed') {
      this.#options.onEnd({ kind: 'removed' });
      return;
    }
    const cluster = this.#replica.cluster;
    if (cluster !== undefined) this.#claims?.stateChanged(cluster.state.machine);
    this.#sealing?.changed(settled(this.#replica), this.#claims);
    const manifest = this.#replica.manifestInForce;
    const generation = settled(this.#replica)?.generation ?? 0;
    const inForce = `${generation} ${manifest?.digest ?? ''}`;
    if (inForce !== this.#inForce) {
      this.#inForce = inForce;
      this.#event('manifest in force', { generation, digest: manifest?.digest ?? '' });
      this.#reverify();
    }
    if (phase === 'serving' && !this.#droppedEarlier && this.#isKept(cluster)) {
      this.#droppedEarlier = true;
      this.#directory.dropEarlier().catch((error: unknown) => {
        this.#options.log.warn('earlier journals not removed', { error: describeError(error) });
      });
    }
  }

  /**
   * Whether what the earlier journals hold is kept elsewhere: this cluster has committed something
   * in this epoch, and this replica has written. Until then a recovery may have to be made again.
   */
  #isKept(cluster: Cluster<ReferenceValues> | undefined): boolean {
    return cluster?.hasCommitted === true && this.#log?.isOpen === true;
  }

  /** Whoever no longer meets the rules loses the connection (system design, attested channel). */
  #reverify(): void {
    const { log, counters } = this.#options;
    Promise.all([this.#network.reverify(), this.#server.reverifyConnections()]).then(
      ([out, into]) => {
        if (out + into === 0) return;
        counters.count('connections_dropped', out + into);
        log.warn('connections of peers that no longer meet the rules closed', {
          closed: out + into,
        });
      },
      (error: unknown) => {
        log.warn('connections not judged again', { error: describeError(error) });
      },
    );
  }

  #scheduleReverify(): void {
    this.#cancelReverify = nodeScheduler.after(REVERIFY_MS, () => {
      this.#reverify();
      this.#scheduleReverify();
    });
  }

  async #stop(): Promise<void> {
    this.#cancelReverify();
    await handOver(this.#replica.cluster);
    await this.#replica.stop();
    this.#network.close();
    await this.#server.close();
    await this.#log?.close();
    this.#sealing?.stop();
    this.#endorsements.close();
    await this.#directory.release();
  }
}

function idBytesOf(cluster: { readonly clusterId: ClusterId } | undefined): Uint8Array | undefined {
  return cluster === undefined ? undefined : fromHex(cluster.clusterId);
}
