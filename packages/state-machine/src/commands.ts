/**
 * Commands: what the leader proposes, and every replica applies. The leader decides whatever needs
 * a clock, random numbers or private keys and puts the outcome into the command.
 */
import {
  CanonicalWriter,
  fromHex,
  generation,
  sha256Hex,
  slotName,
  toHex,
  unixMillis,
  type Brand,
  type CanonicalReader,
  type Crypto,
  type Generation,
  type Sha256Hex,
  type SlotName,
  type UnixMillis,
  unreachable,
} from '@witan/core';
import {
  APPROVALS_MAX,
  manifestDigest,
  MANIFEST_BYTES_MAX,
  readApproval,
  RECOVERY_HEADER_BYTES_MAX,
  rotationText,
  SIGNATURE_BYTES,
  writeApproval,
  type Approval,
  type RotationStep,
} from '@witan/manifest';
import {
  readApprove,
  readWithdraw,
  writeApprovalCommand,
  type ApproveCommand,
  type WithdrawCommand,
} from './approval-commands.ts';
import { badValue, decodeWith, readHex, writeHex } from './codec.ts';
import { StateMachineError } from './errors.ts';
import * as limits from './limits.ts';
import { readStep } from './rotations.ts';
import { readUseVersion, writeUseVersion, type UseVersionCommand } from './versions.ts';
import {
  readSeedParts,
  writeSeedParts,
  type SeedCandidateCommand,
  type SeedParts,
} from './seed-commands.ts';
import { readCandidate, writeCandidate } from './seeds.ts';

export type { ApproveCommand, SeedParts, UseVersionCommand, WithdrawCommand };

const COMMAND_LABEL = 'witan/command/v1';

/** 16 bytes chosen by the client, as 32 lower-case hex digits; the same in every retry. */
export type RequestKey = Brand<string, 'RequestKey'>;

/** @throws StateMachineError REQUEST_KEY_MALFORMED unless `bytes` are 16 */
export function requestKey(bytes: Uint8Array): RequestKey {
  if (bytes.byteLength !== limits.REQUEST_KEY_BYTES) {
    throw new StateMachineError('REQUEST_KEY_MALFORMED', {
      expected: limits.REQUEST_KEY_BYTES,
      found: bytes.byteLength,
    });
  }
  return toHex(bytes) as RequestKey;
}

/** Sets the first manifest or the next one. */
export interface SetManifestCommand {
  readonly kind: 'set-manifest';
  readonly requestKey: RequestKey;
  /** The document exactly as the owner sent it. */
  readonly manifest: Uint8Array;
  /** The transition that the owner built on; `NO_TRANSITION` for the first manifest. */
  readonly previousTransition: Sha256Hex;
  readonly approvals: readonly Approval[];
  /** The leader's clock. */
  readonly timeMs: UnixMillis;
  /** DER; with the first manifest, and only then. */
  readonly rootCertificate: Uint8Array | undefined;
  /** DER; the mesh CA of the new generation. */
  readonly meshCaCertificate: Uint8Array;
  /** DER SubjectPublicKeyInfo; with the first manifest, and only then. */
  readonly historyPublicKey: Uint8Array | undefined;
  /** By the history key over the new transition's bytes, r || s. */
  readonly transitionSignature: Uint8Array;
  /** Shares for the manifest's recovery owners; where they or the threshold are new, only then. */
  readonly recoveryHeader: Uint8Array | undefined;
}

/** Records a certificate before its workload receives it. */
export interface IssueCertificateCommand {
  readonly kind: 'issue-certificate';
  readonly requestKey: RequestKey;
  readonly workload: string;
  readonly spkiSha256: Sha256Hex;
  readonly evidenceSha256: Sha256Hex;
  /** The manifest that the evidence was judged by. */
  readonly generation: Generation;
  /** 16 bytes as 32 hex digits, chosen by the issuer at random. */
  readonly serial: string;
  readonly notBeforeMs: UnixMillis;
  readonly notAfterMs: UnixMillis;
  /** The slot whose replica judged the evidence. */
  readonly servedBy: SlotName;
  /** What the log records beside it; absent in commands from before there was a log. */
  readonly recorded?: {
    /** The leader's clock. */
    readonly timeMs: UnixMillis;
    /** Of the evidence, hex, at most 64 bytes. */
    readonly measurement: string;
  };
}

/** Adds slots, or removes them. */
export interface ChangeSlotsCommand {
  readonly kind: 'change-slots';
  readonly requestKey: RequestKey;
  /** The transition in force that the owners built on. */
  readonly previousTransition: Sha256Hex;
  /** The number of the list that they built on. */
  readonly number: number;
  /** All slots as they shall be. */
  readonly slots: readonly SlotName[];
  readonly approvals: readonly Approval[];
  /** The leader's clock. */
  readonly timeMs: UnixMillis;
}

/** Takes one step of a rotation. */
export interface RotateCommand {
  readonly kind: 'rotate';
  readonly requestKey: RequestKey;
  /** The transition in force that the owners built on. */
  readonly previousTransition: Sha256Hex;
  /** How many steps were recorded before, as the owners saw it. */
  readonly number: number;
  readonly step: RotationStep;
  readonly approvals: readonly Approval[];
  /** The leader's clock. */
  readonly timeMs: UnixMillis;
  /** DER; what the leader made for this step, see `certificateCountOf`. */
  readonly certificates: readonly Uint8Array[];
  /** What the leader made for `seed activate`, and only then. */
  readonly seed?: SeedParts;
}

/** Changes nothing. */
export interface NoopCommand {
  readonly kind: 'noop';
}

/** Everything that can be in the log, apart from membership changes. */
export type Command =
  | KeyedCommand
  | ApproveCommand
  | WithdrawCommand
  | UseVersionCommand
  | SeedCandidateCommand
  | NoopCommand;
/** Commands that a client may retry under the same key. */
export type KeyedCommand =
  SetManifestCommand | IssueCertificateCommand | ChangeSlotsCommand | RotateCommand;

const KINDS: readonly Command['kind'][] = [
  'noop',
  'set-manifest',
  'issue-certificate',
  'change-slots',
  'rotate',
  'approve',
  'withdraw',
  'use-version',
  'seed-candidate',
];

/** The canonical encoding of a command. */
export function encodeCommand(command: Command): Uint8Array {
  const writer = new CanonicalWriter().text(COMMAND_LABEL).u8(KINDS.indexOf(command.kind));
  switch (command.kind) {
    case 'noop':
      return writer.finish();
    case 'set-manifest':
      writeHex(writer, command.requestKey);
      writer.bytes(command.manifest);
      writeHex(writer, command.previousTransition);
      writer
        .list(command.approvals, writeApproval)
        .u64(command.timeMs)
        .optional(command.rootCertificate, (to, bytes) => to.bytes(bytes))
        .bytes(command.meshCaCertificate)
        .optional(command.historyPublicKey, (to, bytes) => to.bytes(bytes))
        .bytes(command.transitionSignature);
      // Without a presence byte: a command without a header is as it was before there were any.
      if (command.recoveryHeader !== undefined) writer.bytes(command.recoveryHeader);
      return writer.finish();
    case 'issue-certificate':
      writeHex(writer, command.requestKey);
      writer.text(command.workload);
      writeHex(writer, command.spkiSha256);
      writeHex(writer, command.evidenceSha256);
      writer.u64(command.generation);
      writeHex(writer, command.serial);
      writer.u64(command.notBeforeMs).u64(command.notAfterMs).text(command.servedBy);
      // Without a presence byte: a command without it is as it was before there was a log.
      if (command.recorded !== undefined) {
        writer.u64(command.recorded.timeMs).bytes(fromHex(command.recorded.measurement));
      }
      return writer.finish();
    case 'rotate':
      writeHex(writer, command.requestKey);
      writeHex(writer, command.previousTransition);
      writer
        .u64(command.number)
        .text(rotationText(command.step))
        .list(command.approvals, writeApproval)
        .u64(command.timeMs)
        .list(command.certificates, (to, der) => to.bytes(der));
      // Without a presence byte: other steps are as they were before seeds could be rotated.
      if (command.seed !== undefined) writeSeedParts(writer, command.seed);
      return writer.finish();
    case 'seed-candidate':
      writeCandidate(writer, command.candidate);
      return writer.finish();
    case 'change-slots':
      writeHex(writer, command.requestKey);
      writeHex(writer, command.previousTransition);
      return writer
        .u64(command.number)
        .list(command.slots, (to, slot) => to.text(slot))
        .list(command.approvals, writeApproval)
        .u64(command.timeMs)
        .finish();
    case 'approve':
    case 'withdraw':
      writeApprovalCommand(writer, command);
      return writer.finish();
    case 'use-version':
      writeUseVersion(writer, command);
      return writer.finish();
    default:
      return unreachable(command);
  }
}

/** @throws StateMachineError COMMAND_MALFORMED */
export function decodeCommand(bytes: Uint8Array): Command {
  return decodeWith('COMMAND_MALFORMED', bytes, limits.COMMAND_BYTES_MAX, (reader) => {
    if (reader.text(64) !== COMMAND_LABEL) throw badValue('another label');
    const kind = KINDS[reader.u8()];
    switch (kind) {
      case 'noop':
        return { kind };
      case 'set-manifest':
        return readSetManifest(reader);
      case 'issue-certificate':
        return readIssueCertificate(reader);
      case 'change-slots':
        return readChangeSlots(reader);
      case 'rotate':
        return readRotate(reader);
      case 'approve':
        return readApprove(reader);
      case 'withdraw':
        return readWithdraw(reader);
      case 'use-version':
        return readUseVersion(reader);
      case 'seed-candidate':
        return { kind, candidate: readCandidate(reader) };
      case undefined:
        throw badValue('another kind of command');
      default:
        return unreachable(kind);
    }
  });
}

function readKey(reader: CanonicalReader): RequestKey {
  return requestKey(reader.fixed(limits.REQUEST_KEY_BYTES));
}

function readSetManifest(reader: CanonicalReader): SetManifestCommand {
  return {
    kind: 'set-manifest',
    requestKey: readKey(reader),
    manifest: reader.bytes(MANIFEST_BYTES_MAX),
    previousTransition: sha256Hex(readHex(reader, 32)),
    approvals: reader.list(APPROVALS_MAX, readApproval),
    timeMs: unixMillis(reader.u64()),
    rootCertificate: reader.optional((from) => from.bytes(limits.CERTIFICATE_BYTES_MAX)),
    meshCaCertificate: reader.bytes(limits.CERTIFICATE_BYTES_MAX),
    historyPublicKey: reader.optional((from) => from.bytes(limits.PUBLIC_KEY_BYTES_MAX)),
    transitionSignature: reader.bytes(SIGNATURE_BYTES),
    recoveryHeader: reader.bytesLeft > 0 ? reader.bytes(RECOVERY_HEADER_BYTES_MAX) : undefined,
  };
}

function readIssueCertificate(reader: CanonicalReader): IssueCertificateCommand {
  const parts: IssueCertificateCommand = {
    kind: 'issue-certificate',
    requestKey: readKey(reader),
    workload: reader.text(limits.WORKLOAD_NAME_BYTES_MAX),
    spkiSha256: sha256Hex(readHex(reader, 32)),
    evidenceSha256: sha256Hex(readHex(reader, 32)),
    generation: generation(reader.u64()),
    serial: readHex(reader, limits.SERIAL_BYTES),
    notBeforeMs: unixMillis(reader.u64()),
    notAfterMs: unixMillis(reader.u64()),
    servedBy: slotName(reader.text(63)),
  };
  const recorded = reader.bytesLeft === 0 ? undefined : readRecorded(reader);
  const command = { ...parts, ...(recorded && { recorded }) };
  if (command.notAfterMs <= command.notBeforeMs)
    throw badValue('validity that ends before it starts');
  return command;
}

function readRecorded(reader: CanonicalReader): IssueCertificateCommand['recorded'] {
  return {
    timeMs: unixMillis(reader.u64()),
    measurement: toHex(reader.bytes(limits.MEASUREMENT_BYTES_MAX)),
  };
}

function readRotate(reader: CanonicalReader): RotateCommand {
  const parts: RotateCommand = {
    kind: 'rotate',
    requestKey: readKey(reader),
    previousTransition: sha256Hex(readHex(reader, 32)),
    number: reader.u64(),
    step: readStep(reader),
    approvals: reader.list(APPROVALS_MAX, readApproval),
    timeMs: unixMillis(reader.u64()),
    certificates: reader.list(limits.ROTATION_CERTIFICATES_MAX, (from) =>
      from.bytes(limits.CERTIFICATE_BYTES_MAX),
    ),
  };
  return reader.bytesLeft === 0 ? parts : { ...parts, seed: readSeedParts(reader) };
}

function readChangeSlots(reader: CanonicalReader): ChangeSlotsCommand {
  return {
    kind: 'change-slots',
    requestKey: readKey(reader),
    previousTransition: sha256Hex(readHex(reader, 32)),
    number: reader.u64(),
    slots: reader.list(limits.SLOTS_MAX, (from) => slotName(from.text(63))),
    approvals: reader.list(APPROVALS_MAX, readApproval),
    timeMs: unixMillis(reader.u64()),
  };
}

/**
 * A digest of what the *client* asked for. A retry reaches another leader, which stamps its own
 * time, serial and signature, and the workload attests itself again with a fresh nonce; none of
 * that makes it another request.
 */
export function requestDigest(command: KeyedCommand, crypto: Crypto): Sha256Hex {
  const writer = new CanonicalWriter().text('witan/request/v1').u8(KINDS.indexOf(command.kind));
  switch (command.kind) {
    case 'set-manifest':
      writeHex(writer, manifestDigest(command.manifest, crypto));
      writeHex(writer, command.previousTransition);
      writer.list(command.approvals, writeApproval);
      break;
    case 'issue-certificate':
      writer.text(command.workload);
      writeHex(writer, command.spkiSha256);
      break;
    case 'change-slots':
      writeHex(writer, command.previousTransition);
      writer.u64(command.number).list(command.slots, (to, slot) => to.text(slot));
      writer.list(command.approvals, writeApproval);
      break;
    case 'rotate':
      writeHex(writer, command.previousTransition);
      writer.u64(command.number).text(rotationText(command.step));
      writer.list(command.approvals, writeApproval);
      break;
    default:
      return unreachable(command);
  }
  return sha256Hex(toHex(crypto.hash('sha256', writer.finish())));
}
