/** How channels to other replicas are made. */
import { systemClock } from '@witan/keys';
import {
  connectAttested,
  type ChannelIdentity,
  type ChannelProver,
  type ChannelVerifier,
} from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import type { NetworkOptions } from './network.ts';

const CONNECT_MS = 3_000;

/** What a channel to a peer is made with. */
export interface AttestedPeers {
  readonly identity: ChannelIdentity;
  readonly prover: ChannelProver;
  readonly verifier: () => ChannelVerifier<PeerClaims>;
}

/** Channels attested both ways (I1): the only ones that a Coordinator makes. */
export function attestedPeers(peers: AttestedPeers): NetworkOptions['connect'] {
  const { identity, prover, verifier } = peers;
  return (address, signal) =>
    connectAttested<PeerClaims>({
      address,
      role: 'replica',
      identity,
      prover,
      verifier: verifier(),
      clock: systemClock,
      timeoutMs: CONNECT_MS,
      signal,
    });
}
