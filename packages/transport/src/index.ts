/** Attested TLS and gRPC over it. See README.md for the exchange. */
export type {
  AttestedPeer,
  ChannelIdentity,
  ChannelProver,
  ChannelVerifier,
  CloseReason,
  ProvingRole,
  Role,
  Verification,
  VerificationRequest,
} from './channel.ts';
export {
  connectAttested,
  type AttestedConnection,
  type ConnectOptions,
  type StreamingMethod,
} from './client.ts';
export type { CallOptions, ResponseStream } from './client-calls.ts';
export {
  PublicError,
  RemoteError,
  TransportError,
  type CallErrorDetail,
  type GrpcStatus,
  type TransportErrorCode,
} from './errors.ts';
export type { OnTransportEvent, TransportEvent } from './events.ts';
export {
  SERVER_LIMITS,
  clientLimits,
  type ClientLimits,
  type ConnectionLimits,
  type ServerLimits,
} from './limits.ts';
export {
  channelReportData,
  standaloneReportData,
  type ChannelReportDataParts,
  type Direction,
} from './report-data.ts';
export {
  createAttestedServer,
  type AttestedServer,
  type AttestedServerOptions,
  type ListenAddress,
  type ServerConnection,
} from './server.ts';
export {
  serviceRegistration,
  type CallContext,
  type Handler,
  type Handlers,
  type ServiceRegistration,
} from './services.ts';
