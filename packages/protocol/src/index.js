/** Types generated from proto/, nothing else. `npm run generate` writes src/gen. */
export * from './gen/witan/common/v1/common_pb.js';
export * from './gen/witan/peer/v1/lead_pb.js';
export * from './gen/witan/peer/v1/peer_pb.js';
export * from './gen/witan/user/v1/approvals_pb.js';
export * from './gen/witan/user/v1/approvals_pb.js';
export * from './gen/witan/user/v1/cluster_pb.js';
export * from './gen/witan/user/v1/rotation_pb.js';
export * from './gen/witan/user/v1/user_pb.js';
export * from './gen/witan/workload/v1/workload_pb.js';
