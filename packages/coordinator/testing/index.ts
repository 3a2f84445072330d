/** The replication streams, for benchmarks and tests that run them over channels of their own. */
export { PeerNetwork, type NetworkOptions, type PeerConnection } from '../src/peers/network.ts';
export { raftStreams, type RaftMember } from '../src/services/raft-streams.ts';
export { nodeScheduler } from '../src/scheduler.ts';
export { startTransitServer, type TransitFault, type TransitServer } from './transit-server.ts';
