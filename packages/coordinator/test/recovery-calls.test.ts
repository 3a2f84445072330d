/** Notices and reopenings between replicas, over real attested channels. */
import { afterEach, beforeAll, expect, it } from 'vitest';
import { clusterId, epoch, incarnationId, Secret, sha256Hex, slotName } from '@witan/core';
import { createIncarnationIdentity, systemClock, type IncarnationIdentity } from '@witan/keys';
import { PeerService } from '@witan/protocol';
import { ReplicaError, type Genesis, type PeerIdentity, type RecoveryNotice } from '@witan/replica';
import { nodeIdOf } from '@witan/state-machine';
import { createAttestedServer, serviceRegistration, type ChannelVerifier } from '@witan/transport';
import type { PeerClaims, PeerRule } from '../src/evidence/rules.ts';
import { attestedPeers } from '../src/peers/attested-peers.ts';
import { PeerNetwork } from '../src/peers/network.ts';
import type { ServiceContext } from '../src/services/context.ts';
import { recoveryCalls } from '../src/services/recovery-calls.ts';

const CLUSTER = clusterId('c1'.repeat(32));
const OPENING = sha256Hex('0f'.repeat(32));
const OTHER = incarnationId('ee'.repeat(32));
const prover = { evidenceTypes: ['snp'], prove: () => Promise.resolve(Uint8Array.of(1)) };

let own: IncarnationIdentity;
let other: IncarnationIdentity;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  [own, other] = [createIncarnationIdentity(), createIncarnationIdentity()];
});

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function channelOf({ tlsKeyPem, tlsCertificatePem, spkiDer }: IncarnationIdentity) {
  return { privateKeyPem: tlsKeyPem, certificatePem: tlsCertificatePem, spkiDer };
}

function peerOf(slot: string, { id }: IncarnationIdentity, port = 1): PeerIdentity {
  const address = `127.0.0.1:${port}`;
  return { nodeId: nodeIdOf(id), slot: slotName(slot), incarnation: id, address };
}

/** Whoever is there passes, by this rule; what is told to it is looked at here. */
function verifierOf(rule: PeerRule): ChannelVerifier<PeerClaims> {
  const claims = { kind: 'replica', rule, claims: {} } as PeerClaims;
  return { verify: () => Promise.resolve({ ok: true, claims, validUntilMs: 4e12 }) };
}

function notice(self: PeerIdentity): RecoveryNotice {
  return {
    self,
    opened: true,
    held: [],
    headers: [Uint8Array.of(1, 2)],
    shares: [new Secret(new Uint8Array(150).fill(9))],
    authorisations: [],
    promised: epoch(2),
    seed: { seed: new Secret(new Uint8Array(32)), clusterId: CLUSTER, source: 'shares' },
  };
}

const genesis: Genesis = {
  clusterId: CLUSTER,
  seed: new Secret(new Uint8Array(32).fill(5)),
  slots: [slotName('witan-0')],
  members: [],
  reopening: {
    epoch: epoch(2),
    opening: OPENING,
    state: Uint8Array.from({ length: 3_000_000 }, (_, at) => at % 251),
  },
};

/** Two replicas: `own` asks, `other` answers, and each takes the other by a rule. */
async function pair(
  rules: { readonly asks?: PeerRule; readonly answers?: PeerRule; readonly refuses?: true } = {},
) {
  const seen: RecoveryNotice[] = [];
  const taken: (readonly [Genesis, string])[] = [];
  const replica = {
    recoveryNoticed: (told: RecoveryNotice) => {
      if (rules.refuses) throw new ReplicaError('REPLICA_NOT_RECOVERING', 'it works');
      seen.push(told);
      return Promise.resolve(notice(peerOf('witan-1', other)));
    },
    genesisDelivered: (delivered: Genesis, from: string) => {
      taken.push([delivered, from]);
      return { accepted: true, code: '' };
    },
  };
  const context = { replica, heardFrom: () => undefined } as unknown as ServiceContext;
  const none = (): Promise<object> => Promise.resolve({});
  const unused = {
    greet: none,
    deliverGenesis: none,
    join: none,
    execute: none,
    confirmLog: none,
    deliverSeed: none,
  };
  const never = async function* (): AsyncGenerator<never> {
    yield* [];
    await Promise.resolve();
  };
  const service = serviceRegistration<typeof PeerService, PeerClaims>(PeerService, {
    ...unused,
    exchange: never,
    sendSnapshot: never,
    ...recoveryCalls(context),
  });
  const server = createAttestedServer<PeerClaims>({
    identity: channelOf(other),
    prover,
    verifiers: { replica: verifierOf(rules.answers ?? 'similar') },
    helloClusterId: () => undefined,
    services: () => [service],
    clock: systemClock,
    onEvent: () => undefined,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const peer = peerOf('witan-1', other, port);
  const network = new PeerNetwork({
    self: peerOf('witan-0', own),
    addresses: new Map([[peer.slot, peer.address]]),
    connect: attestedPeers({
      identity: channelOf(own),
      prover,
      verifier: () => verifierOf(rules.asks ?? 'similar'),
    }),
    cluster: () => undefined,
    onLost: () => undefined,
    onEvent: () => undefined,
  });
  closing.push(
    () => network.close(),
    () => server.close(0),
  );
  const told = notice(peerOf('witan-0', own));
  return { network, peer, seen, taken, told };
}

it('tells a peer what it holds, and is told the same', async () => {
  const { network, peer, seen, told } = await pair();
  const { from, value } = await network.recover(peer.slot, peer.incarnation, told);
  expect(from).toBe(other.id);
  expect(value.self.incarnation).toBe(other.id);
  expect([value.shares.length, value.seed?.source]).toEqual([1, 'shares']);
  expect(seen).toMatchObject([{ self: { incarnation: own.id }, seed: { source: 'shares' } }]);
});

it('tells nothing to another incarnation than the one it was meant for (I1)', async () => {
  const { network, peer, seen, taken, told } = await pair();
  const gone = { code: 'COORDINATOR_PEER_UNREACHABLE' };
  await expect(network.recover(peer.slot, OTHER, told)).rejects.toMatchObject(gone);
  expect(await network.deliverGenesis(peer.slot, OTHER, genesis)).toMatchObject({
    accepted: false,
    code: 'ANOTHER_INCARNATION',
  });
  expect([seen, taken]).toEqual([[], []]);
});

it('has no secret for a peer that is only listed, whoever asks (I1)', async () => {
  const asking = await pair({ asks: 'listed' });
  await asking.network.recover(asking.peer.slot, asking.peer.incarnation, asking.told);
  expect(asking.seen).toMatchObject([{ shares: [], authorisations: [] }]);
  expect(asking.seen[0]?.seed).toBeUndefined();
  const delivered = asking.network.deliverGenesis(asking.peer.slot, other.id, genesis);
  expect(await delivered).toEqual({ accepted: false, code: 'NOT_SIMILAR' });
  const asked = await pair({ answers: 'listed' });
  const { value } = await asked.network.recover(asked.peer.slot, other.id, asked.told);
  expect([value.shares.length, value.seed]).toEqual([0, undefined]);
  expect(value.headers).toHaveLength(1);
});

it('does not take one replica’s word for another’s', async () => {
  const { network, peer, seen, told } = await pair();
  const self = { ...told.self, incarnation: OTHER };
  const refusal = { status: 'PERMISSION_DENIED', detail: { code: 'IDENTITY_MISMATCH' } };
  const lie = network.recover(peer.slot, other.id, { ...told, self });
  await expect(lie).rejects.toMatchObject(refusal);
  expect(seen).toEqual([]);
});

it('says so where there is nothing to recover', async () => {
  const { network, peer, told } = await pair({ refuses: true });
  await expect(network.recover(peer.slot, other.id, told)).rejects.toMatchObject({
    status: 'FAILED_PRECONDITION',
    detail: { code: 'REPLICA_NOT_RECOVERING' },
  });
});

it('hands a whole reopening over, in chunks, by the proved identity', async () => {
  const { network, peer, taken } = await pair();
  const answer = await network.deliverGenesis(peer.slot, other.id, genesis);
  expect(answer).toEqual({ accepted: true, code: '' });
  const [[arrived, from] = []] = taken;
  expect(from).toBe(own.id);
  expect(arrived?.reopening).toMatchObject({ epoch: 2, opening: OPENING });
  const { state = new Uint8Array(0) } = arrived?.reopening ?? {};
  expect(Buffer.from(state).equals(genesis.reopening?.state ?? new Uint8Array(0))).toBe(true);
  expect(arrived?.seed.equals(genesis.seed)).toBe(true);
});
