/** Parts that benchmarks and tests of other packages run or read by themselves. */
export { type PeerConnection } from '../src/peers/attested-peers.ts';
export { PeerNetwork, type NetworkOptions } from '../src/peers/network.ts';
export { raftStreams, type RaftMember } from '../src/services/raft-streams.ts';
export { nodeScheduler } from '../src/scheduler.ts';
export { startTransitServer, type TransitFault, type TransitServer } from './transit-server.ts';
export { readSummaryUnverified } from '../src/storage/former-log.ts';
