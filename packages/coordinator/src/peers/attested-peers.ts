/** Channels to other replicas, attested both ways (I1). */
import { systemClock } from '@witan/keys';
import {
  connectAttested,
  type AttestedConnection,
  type ChannelIdentity,
  type ChannelProver,
  type ChannelVerifier,
} from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';

const CONNECT_MS = 3_000;

/** An established channel to a peer, as much as is needed of it. */
export type PeerConnection = Pick<
  AttestedConnection<unknown>,
  'unary' | 'stream' | 'closed' | 'close' | 'reverify'
> & { readonly peer: { readonly spkiSha256: string; readonly claims?: PeerClaims | undefined } };

/** What a channel to a peer is made with. */
export interface AttestedPeers {
  readonly identity: ChannelIdentity;
  readonly prover: ChannelProver;
  readonly verifier: () => ChannelVerifier<PeerClaims>;
}

/** Channels attested both ways (I1): the only ones that a Coordinator makes. */
export function attestedPeers(
  peers: AttestedPeers,
): (address: string, signal: AbortSignal) => Promise<PeerConnection> {
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
