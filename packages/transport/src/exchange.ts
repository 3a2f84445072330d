/**
 * The attestation exchange: after the TLS handshake, on the same socket, before the first
 * application byte (README.md has the diagram). Assumes nothing about the peer but a finished TLS
 * handshake; decides nothing about evidence, that is the verifier's part.
 *
 * Guarantees to the caller: when `exchange` resolves, this end has accepted the peer, the peer has
 * accepted this end, all writes are done, and bytes behind the exchange are back in the socket.
 */
import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { bytesEqual, concatBytes, describeError, utf8, type Clock } from '@witan/core';
import type {
  ChannelIdentity,
  ChannelProver,
  ChannelVerifier,
  ProvingRole,
  Role,
} from './channel.ts';
import { TransportError, throwIfBroken } from './errors.ts';
import { refuseWeakSession } from './danger-tls.ts';
import { VERDICT_FRAME_BYTES, encodeFrame, type Frame } from './frames.ts';
import { refusalOf, type FrameSocket } from './frame-socket.ts';
import { NONCE_BYTES, decodeHello, encodeHello, type Hello } from './hello.ts';
import { peerSpki } from './peer-key.ts';
import { channelReportData, sha256, type Direction } from './report-data.ts';
import { encodeVerdict } from './verdict.ts';

// RFC 5705 section 4: labels without registration begin with EXPERIMENTAL.
const EVIDENCE_EXPORTER = 'EXPERIMENTAL-witan-attested-channel-v1';
const BINDING_EXPORTER = 'EXPERIMENTAL-witan-channel-binding-v1';
const BINDING_LABEL = utf8('witan/v1/channel-binding\0');
const EXPORTER_BYTES = 32;

/** What this end brings to the exchange. */
export interface ExchangeParty<Claims> {
  readonly side: 'client' | 'server';
  readonly role: Role;
  readonly identity: ChannelIdentity;
  /** For the end of verdicts. */
  readonly clock: Clock;
  /** Absent only for role client. */
  readonly prover: ChannelProver | undefined;
  readonly clusterId: Uint8Array | undefined;
  /** Evidence types to announce. */
  readonly judgeableTypes: readonly string[];
  /** @throws TransportError ROLE_REFUSED */
  readonly admit: (role: Role) => Admission<Claims>;
}

/** How a peer of some role is to be treated. */
export type Admission<Claims> =
  | {
      readonly kind: 'must-prove';
      readonly role: ProvingRole;
      readonly verifier: ChannelVerifier<Claims>;
    }
  | { readonly kind: 'without-evidence' };

/** What the verifier found, with what it was asked, so that it can be asked again. */
export interface Judged<Claims> {
  readonly verifier: ChannelVerifier<Claims>;
  readonly evidence: Uint8Array;
  readonly expectedReportData: Uint8Array;
  readonly claims: Claims;
  readonly validUntilMs: number;
}

/** What the exchange established. */
export interface ExchangeResult<Claims> {
  readonly role: Role;
  readonly spkiDer: Uint8Array;
  readonly clusterId: Uint8Array | undefined;
  readonly channelBinding: Uint8Array;
  /** Absent for role client. */
  readonly judged: Judged<Claims> | undefined;
}

/** Both HELLOs and what follows from them. */
interface Session {
  readonly own: Hello;
  readonly peer: Hello;
  readonly peerSpkiDer: Uint8Array;
  readonly exporter: Uint8Array;
  readonly binding: Uint8Array;
}

/**
 * Runs the exchange on a socket whose TLS handshake is done.
 *
 * @throws TransportError what was wrong; the caller ends the socket with it
 */
export async function exchange<Claims>(
  socket: TLSSocket,
  frames: FrameSocket,
  party: ExchangeParty<Claims>,
): Promise<ExchangeResult<Claims>> {
  refuseWeakSession(socket);
  const peerSpkiDer = peerSpki(socket);
  if (bytesEqual(peerSpkiDer, party.identity.spkiDer)) {
    throw new TransportError('PEER_IS_SELF', 'peer uses the key of this end');
  }
  const session = await greet(socket, frames, party, peerSpkiDer);
  const admission = party.admit(session.peer.role);
  if (party.side === 'server') {
    await frames.write({ type: 'hello', payload: encodeHello(session.own) });
  }
  const proving = prove(frames, party, session);
  // A failure while the peer's evidence is awaited must end the wait; a late one has been seen.
  proving.catch((error: unknown) => frames.fail(asTransportError(error)));
  const judged =
    admission.kind === 'must-prove'
      ? await judge(frames, party, session, admission.verifier)
      : undefined;
  await proving;
  if (frames.pendingBytes() > VERDICT_FRAME_BYTES) {
    throw new TransportError('APPLICATION_DATA_EARLY', 'peer did not wait for the verdict');
  }
  await frames.write({ type: 'verdict', payload: encodeVerdict('accepted') });
  await expectFrame(frames, 'verdict');
  frames.release();
  return {
    role: session.peer.role,
    spkiDer: peerSpkiDer,
    clusterId: session.peer.clusterId,
    channelBinding: session.binding,
    judged,
  };
}

/** Exchanges HELLOs; the server has read the client's before it sends its own. */
async function greet<Claims>(
  socket: TLSSocket,
  frames: FrameSocket,
  party: ExchangeParty<Claims>,
  peerSpkiDer: Uint8Array,
): Promise<Session> {
  const own: Hello = {
    role: party.role,
    nonce: Uint8Array.from(randomBytes(NONCE_BYTES)),
    clusterId: party.clusterId,
    evidenceTypes: party.judgeableTypes,
  };
  const ownFrame: Frame = { type: 'hello', payload: encodeHello(own) };
  if (party.side === 'client') await frames.write(ownFrame);
  const peerFrame = await expectFrame(frames, 'hello');
  const peer = decodeHello(peerFrame.payload);
  const inOrder = party.side === 'client' ? [ownFrame, peerFrame] : [peerFrame, ownFrame];
  const context = Buffer.from(sha256(...inOrder.map(encodeFrame)));
  const exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EVIDENCE_EXPORTER, context);
  const forBinding = socket.exportKeyingMaterial(EXPORTER_BYTES, BINDING_EXPORTER, context);
  const keys = [sha256(party.identity.spkiDer), sha256(peerSpkiDer)];
  if (party.side === 'server') keys.reverse();
  // The exporter does not cover the client's certificate (RFC 8446 section 7.5), so both keys are
  // hashed in, the client's first.
  const binding = sha256(concatBytes(BINDING_LABEL, forBinding, ...keys));
  return { own, peer, peerSpkiDer, exporter: Uint8Array.from(exporter), binding };
}

/** Makes and sends this end's evidence, if its role has any. */
async function prove<Claims>(
  frames: FrameSocket,
  party: ExchangeParty<Claims>,
  session: Session,
): Promise<void> {
  const prover = party.prover;
  if (prover === undefined) return;
  const accepted = session.peer.evidenceTypes;
  if (accepted.length > 0 && !prover.evidenceTypes.some((type) => accepted.includes(type))) {
    throw new TransportError(
      'EVIDENCE_TYPE_UNACCEPTED',
      'peer accepts none of the evidence types of this end',
      { expected: accepted, found: prover.evidenceTypes },
    );
  }
  const reportData = channelReportData({
    proverRole: party.role,
    direction: directionOf(party.side),
    exporter: session.exporter,
    proverSpkiSha256: sha256(party.identity.spkiDer),
    verifierSpkiSha256: sha256(session.peerSpkiDer),
    verifierNonce: session.peer.nonce,
  });
  let evidence: Uint8Array;
  try {
    evidence = await frames.guard(prover.prove(reportData, frames.signal));
  } catch (cause) {
    throwIfBroken(cause);
    if (cause instanceof TransportError) throw cause;
    throw new TransportError('EVIDENCE_UNAVAILABLE', 'evidence could not be made', {}, cause);
  }
  if (evidence.byteLength > frames.limits.evidenceBytesMax) {
    throw new TransportError('EVIDENCE_UNAVAILABLE', 'evidence is above its limit', {
      expected: frames.limits.evidenceBytesMax,
      found: evidence.byteLength,
    });
  }
  await frames.write({ type: 'evidence', payload: evidence });
}

/** Receives the peer's evidence and has it judged. */
async function judge<Claims>(
  frames: FrameSocket,
  party: ExchangeParty<Claims>,
  session: Session,
  verifier: ChannelVerifier<Claims>,
): Promise<Judged<Claims>> {
  const { payload: evidence } = await expectFrame(frames, 'evidence');
  const expectedReportData = channelReportData({
    proverRole: session.peer.role,
    direction: directionOf(party.side === 'client' ? 'server' : 'client'),
    exporter: session.exporter,
    proverSpkiSha256: sha256(session.peerSpkiDer),
    verifierSpkiSha256: sha256(party.identity.spkiDer),
    verifierNonce: session.own.nonce,
  });
  const verification = await frames.guard(
    askVerifier(verifier, party.clock, {
      evidence,
      expectedReportData,
      role: session.peer.role,
      spkiDer: session.peerSpkiDer,
      ...(session.peer.clusterId === undefined ? {} : { clusterId: session.peer.clusterId }),
    }),
  );
  return { verifier, evidence, expectedReportData, ...verification };
}

/**
 * Asks a verifier and turns everything but a clear, unexpired yes into a typed error (I10).
 *
 * @throws TransportError EVIDENCE_REFUSED, VERIFIER_FAILED
 */
export async function askVerifier<Claims>(
  verifier: ChannelVerifier<Claims>,
  clock: Clock,
  request: Parameters<ChannelVerifier<Claims>['verify']>[0],
): Promise<{ readonly claims: Claims; readonly validUntilMs: number }> {
  let answer: Awaited<ReturnType<ChannelVerifier<Claims>['verify']>>;
  try {
    answer = await verifier.verify(request);
  } catch (cause) {
    throwIfBroken(cause);
    throw new TransportError('VERIFIER_FAILED', 'verifier failed', {}, cause);
  }
  if (!answer.ok) throw refused(answer.code, answer.detail);
  if (!(answer.validUntilMs > clock.now())) throw refused('EXPIRED', 'verdict is not valid now');
  return { claims: answer.claims, validUntilMs: answer.validUntilMs };
}

function refused(verifierCode: string, detail: string): TransportError {
  return new TransportError('EVIDENCE_REFUSED', 'evidence of the peer was refused', {
    verifierCode,
    detail,
  });
}

/** The next frame, which must be of one type; a refusal may come in place of any frame. */
async function expectFrame(frames: FrameSocket, type: Frame['type']): Promise<Frame> {
  const frame = await frames.read();
  if (frame.type === 'verdict') {
    const refusal = refusalOf(frame);
    if (refusal !== undefined) throw refusal;
  }
  if (frame.type !== type) {
    throw new TransportError('FRAME_UNEXPECTED', 'frame came out of order', {
      expected: type,
      found: frame.type,
    });
  }
  return frame;
}

function directionOf(prover: 'client' | 'server'): Direction {
  return prover === 'client' ? 'client-proves' : 'server-proves';
}

/**
 * Wraps what is none of ours; the cause is kept for the log. @throws InvariantViolation as it is
 */
export function asTransportError(error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  throwIfBroken(error);
  const detail = describeError(error).slice(0, 200);
  return new TransportError('PEER_CLOSED', 'connection broke', { detail }, error);
}
