/** The lines to other replicas, over real attested channels. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { clusterId, epoch, slotName } from '@witan/core';
import { createIncarnationIdentity, systemClock, type IncarnationIdentity } from '@witan/keys';
import { PeerService } from '@witan/protocol';
import { NO_TRANSITION } from '@witan/manifest';
import type { ArrivedSnapshot, ClusterLife, PeerIdentity } from '@witan/replica';
import { nodeIdOf } from '@witan/state-machine';
import { createAttestedServer, serviceRegistration, type ChannelVerifier } from '@witan/transport';
import type { PeerClaims } from '../src/evidence/rules.ts';
import { attestedPeers } from '../src/peers/attested-peers.ts';
import { PeerNetwork } from '../src/peers/network.ts';
import { raftStreams, type RaftMember } from '../src/services/raft-streams.ts';

const prover = { evidenceTypes: ['snp'], prove: () => Promise.resolve(Uint8Array.of(1)) };
/** What is sent is looked at here, not who sends it. */
const verifier: ChannelVerifier<PeerClaims> = {
  verify: () => Promise.resolve({ ok: true, claims: {} as PeerClaims, validUntilMs: 4e12 }),
};

function channelOf({ tlsKeyPem, tlsCertificatePem, spkiDer }: IncarnationIdentity) {
  return { privateKeyPem: tlsKeyPem, certificatePem: tlsCertificatePem, spkiDer };
}

function peerOf(slot: string, { id }: IncarnationIdentity, port: number): PeerIdentity {
  const address = `127.0.0.1:${port}`;
  return { nodeId: nodeIdOf(id), slot: slotName(slot), incarnation: id, address };
}

const CLUSTER: ClusterLife = {
  clusterId: clusterId('ab'.repeat(32)),
  epoch: epoch(1),
  opening: NO_TRANSITION,
};

/** A replica that takes messages and snapshots until it is closed. */
async function serve(identity: IncarnationIdentity) {
  let arrived: () => void = () => undefined;
  const exchanged = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const snapshots = Promise.withResolvers<ArrivedSnapshot>();
  let held = 0;
  const member: RaftMember = {
    ...CLUSTER,
    receive: arrived,
    refuseForeign: () => undefined,
    expectsSnapshot: () => true,
    receiveSnapshot: snapshots.resolve,
  };
  const streams = raftStreams<PeerClaims>(() => member);
  const service = serviceRegistration<typeof PeerService, PeerClaims>(PeerService, {
    greet: () => Promise.resolve({}),
    deliverGenesis: () => Promise.resolve({ accepted: false, code: '' }),
    join: () => Promise.resolve({}),
    exchange: streams.exchange,
    sendSnapshot: async function* (requests, context) {
      for await (const answer of streams.sendSnapshot(requests, context)) {
        held = Number(answer.nextOffset ?? 0n);
        yield answer;
      }
    },
    execute: () => Promise.resolve({}),
    confirmLog: () => Promise.resolve({}),
    recover: () => Promise.resolve({}),
    deliverReopening: () => Promise.resolve({}),
    deliverSeed: () => Promise.resolve({}),
  });
  const server = createAttestedServer<PeerClaims>({
    identity: channelOf(identity),
    prover,
    verifiers: { replica: verifier, initializer: verifier },
    helloClusterId: () => undefined,
    services: () => [service],
    clock: systemClock,
    onEvent: () => undefined,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return { server, port, exchanged, snapshot: snapshots.promise, held: () => held };
}

/** A way to a port that breaks as when the machine behind it dies. */
async function breakable(port: number) {
  const sockets: Socket[] = [];
  const relay = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1' });
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      sockets.push(socket);
      socket.on('error', () => undefined);
    }
  });
  await new Promise<void>((resolve) => {
    relay.listen({ port: 0, host: '127.0.0.1' }, resolve);
  });
  return {
    port: (relay.address() as AddressInfo).port,
    /** Breaks the connections; new ones may come. */
    drop: () => {
      for (const socket of sockets.splice(0)) socket.resetAndDestroy();
    },
    cut: () => {
      relay.close();
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}

it('says that a message cannot be sent when its line has just been cut', async () => {
  const [own, other] = [createIncarnationIdentity(), createIncarnationIdentity()];
  const { server, port, exchanged } = await serve(other);
  const way = await breakable(port);
  const peer = peerOf('witan-1', other, way.port);
  const self = peerOf('witan-0', own, 1);
  const lost = Promise.withResolvers<unknown>();
  const network = new PeerNetwork({
    self,
    addresses: new Map([[peer.slot, peer.address]]),
    connect: attestedPeers({ identity: channelOf(own), prover, verifier: () => verifier }),
    cluster: () => CLUSTER,
    // As the engine does: it probes, at once, whoever was reported as out of reach.
    onLost: () => {
      try {
        lost.resolve(network.send(peer, [Uint8Array.of(2)], 'urgent'));
      } catch (error) {
        lost.resolve(error);
      }
    },
    onEvent: () => undefined,
  });
  try {
    while (!network.send(peer, [Uint8Array.of(1)], 'urgent')) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await exchanged;
    way.cut();
    expect(await lost.promise).toBe(false);
  } finally {
    await server.close(0);
    network.close();
  }
});

it('brings a snapshot over as many lines as it takes, without sending it twice', async () => {
  const [own, other] = [createIncarnationIdentity(), createIncarnationIdentity()];
  const receiver = await serve(other);
  const way = await breakable(receiver.port);
  const peer = peerOf('witan-1', other, way.port);
  const broken: unknown[] = [];
  const network = new PeerNetwork({
    self: peerOf('witan-0', own, 1),
    addresses: new Map([[peer.slot, peer.address]]),
    connect: attestedPeers({ identity: channelOf(own), prover, verifier: () => verifier }),
    cluster: () => CLUSTER,
    onLost: () => undefined,
    onEvent: (event, fields) => {
      if (event === 'snapshot transfer broke off') broken.push(fields['offset']);
    },
  });
  const state = new Uint8Array(6 * 1024 * 1024).map((_, at) => at % 251);
  try {
    const transfer = network.sendSnapshot(peer, { message: Uint8Array.of(7), state });
    while (receiver.held() < state.byteLength / 3) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    way.drop();
    expect(await transfer.finished).toBe('arrived');
    const { from, message, state: arrived } = await receiver.snapshot;
    expect(from).toMatchObject({ incarnation: own.id });
    expect([...message]).toEqual([7]);
    expect(Buffer.from(arrived).equals(state)).toBe(true);
    expect(Math.max(...broken.map(Number))).toBeGreaterThan(state.byteLength / 4);
  } finally {
    await receiver.server.close(0);
    network.close();
    way.cut();
  }
});
