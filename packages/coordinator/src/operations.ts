/**
 * Writes: what users and workloads ask for, what the leader makes of it, and how both travel
 * between replicas.
 */
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import {
  fromUtf8,
  toHex,
  unixMillis,
  utf8,
  type Clock,
  type Crypto,
  type Generation,
  type Sha256Hex,
  type SlotName,
} from '@witan/core';
import { deriveHistorySigningKey, randomSerial, signP256, spkiOf } from '@witan/keys';
import {
  nextTransition,
  parseManifest,
  transitionBytes,
  type Approval,
  type RotationStep,
  type ValidatedManifest,
} from '@witan/manifest';
import type { CommandOutcome, Lagging, Prepared } from '@witan/replica';
import {
  encodeCommand,
  ISSUED_MAX,
  versionNeeded,
  type CommandResult,
  type RequestKey,
  type SetManifestCommand,
} from '@witan/state-machine';
import { createCertificates, rotationCertificates } from './authorities.ts';
import {
  approvalCommand,
  completedBy,
  type ApproveOperation,
  type WithdrawOperation,
} from './approval-operations.ts';
import { CoordinatorError } from './errors.ts';
import { dealNext, inForceOf, seedParts, type SeedSource } from './seed-operations.ts';

export type Operation =
  | ApproveOperation
  | WithdrawOperation
  | {
      readonly kind: 'set-manifest';
      readonly requestKey: RequestKey;
      readonly manifest: Uint8Array;
      readonly previousTransition: Sha256Hex;
      readonly approvals: readonly Approval[];
    }
  | {
      readonly kind: 'rotate';
      readonly requestKey: RequestKey;
      readonly previousTransition: Sha256Hex;
      readonly number: number;
      readonly step: RotationStep;
      readonly approvals: readonly Approval[];
    }
  | {
      readonly kind: 'change-slots';
      readonly requestKey: RequestKey;
      readonly previousTransition: Sha256Hex;
      readonly number: number;
      readonly slots: readonly SlotName[];
      readonly approvals: readonly Approval[];
    }
  | {
      readonly kind: 'issue';
      readonly requestKey: RequestKey;
      readonly workload: string;
      readonly spkiSha256: Sha256Hex;
      readonly evidenceSha256: Sha256Hex;
      readonly generation: Generation;
      readonly servedBy: SlotName;
      /** Of the evidence, hex. */
      readonly measurement: string;
    };

/** Certificates begin a little early, for verifiers whose clocks are behind. */
const CLOCK_SKEW_MS = 5 * 60_000;

/** As much as a command records: 64 bytes, which is more than any measurement has. */
const MEASUREMENT_HEX_MAX = 128;

export interface PreparerOptions extends SeedSource {
  /** Resolves when the view shows everything that was acknowledged before the call (I5). */
  readonly confirm: () => Promise<void>;
  /**
   * Sees to it that every member applies a state version, now and later.
   *
   * @returns the member that does not; undefined where all do
   */
  readonly require: (version: number) => Promise<Lagging | undefined>;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** Certificates that all workloads may have at a time; as many as the state holds if absent. */
  readonly issuedMax?: number;
}

/** Whether a manifest accepts simulated hardware anywhere (I11). */
export function isSimulated(manifest: ValidatedManifest<ReferenceValues>): boolean {
  const lists = [
    manifest.coordinators,
    ...[...manifest.workloads.values()].map(({ referenceValues }) => referenceValues),
  ];
  return lists.flat().some(({ developmentRoots }) => (developmentRoots ?? []).length > 0);
}

/**
 * The leader's decisions: time, serial number, certificates, signature. The state machine checks
 * all of them that it can and refuses what does not fit its state.
 */
export function prepareOperation(
  operation: Operation,
  options: PreparerOptions,
): Promise<Prepared<CommandResult>> {
  switch (operation.kind) {
    case 'set-manifest':
      return prepareManifest(operation, options);
    case 'issue':
      return prepareIssue(operation, options);
    case 'approve': {
      const change = completedBy(operation, options.view, options);
      if (change !== undefined) return prepareOperation(change, options);
      return preparePlain(operation, () => approvalCommand(operation, options.clock), options);
    }
    case 'withdraw':
      return preparePlain(operation, () => approvalCommand(operation, options.clock), options);
    case 'change-slots':
      return preparePlain(
        operation,
        () => encodeCommand({ ...operation, timeMs: options.clock.now() }),
        options,
      );
    case 'rotate':
      return prepareRotation(operation, options);
    default:
      return operation satisfies never;
  }
}

/** What a step brings is made only once everything else about it is right. */
async function prepareRotation(
  operation: Operation & { kind: 'rotate' },
  options: PreparerOptions,
): Promise<Prepared<CommandResult>> {
  const { view, crypto, clock } = options;
  const timeMs = clock.now();
  const plain = encodeCommand({ ...operation, timeMs, certificates: [] });
  const result = view.preview(plain, crypto);
  const code = result.kind === 'refused' ? result.code : undefined;
  if (code === 'ROTATION_SEED_LINK_UNFIT') {
    const seed = await seedParts(operation, timeMs, options);
    const command = { ...operation, timeMs, certificates: [], ...(seed && { seed }) };
    return preparePlain(operation, () => encodeCommand(command), options);
  }
  if (code !== 'ROTATION_CERTIFICATES_UNFIT') return preparePlain(operation, () => plain, options);
  const simulated = view.manifest !== undefined && isSimulated(view.manifest);
  const certificates = rotationCertificates(options, operation.step, timeMs, simulated);
  const whole = encodeCommand({ ...operation, timeMs, certificates });
  return preparePlain(operation, () => whole, options);
}

/**
 * Refused requests take no place in the log, or anybody could fill it. The refusal is decided again
 * on confirmed state: a leader that was deposed without knowing must not answer from the past.
 */
async function prepareManifest(
  operation: Operation & { kind: 'set-manifest' },
  options: PreparerOptions,
): Promise<Prepared<CommandResult>> {
  const first = await manifestCommand(operation, options);
  if (isTaken(first.result)) return ordered(first.command, true);
  await options.confirm();
  const again = await manifestCommand(operation, options);
  return isTaken(again.result) ? ordered(again.command, true) : answered(options, again.result);
}

/**
 * No workload takes the places of all others: it has half of them where there is another (I10).
 * Decided here alone, so that a log that holds more gives the same state again.
 */
async function prepareIssue(
  operation: Operation & { kind: 'issue' },
  options: PreparerOptions,
): Promise<Prepared<CommandResult>> {
  const { view, clock } = options;
  const isAlone = view.manifest?.workloads.size === 1;
  const placesMax = (options.issuedMax ?? ISSUED_MAX) / (isAlone ? 1 : 2);
  const isFull = (): boolean =>
    view.resultOf(operation.requestKey) === undefined &&
    view.isIssuedFullFor(operation.workload, placesMax, clock.now() - CLOCK_SKEW_MS);
  if (isFull()) await options.confirm();
  return isFull()
    ? answered(options, { kind: 'issued-full', expected: placesMax })
    : preparePlain(operation, () => identityCommand(operation, options), options);
}

async function preparePlain(
  operation: Operation,
  command: () => Uint8Array,
  options: PreparerOptions,
): Promise<Prepared<CommandResult>> {
  const first = command();
  if (!isTaken(options.view.preview(first, options.crypto))) {
    await options.confirm();
    const result = options.view.preview(first, options.crypto);
    if (!isTaken(result)) return answered(options, result);
  }
  // Only for what would be taken: nobody without the owners' word brings a version into use.
  const lagging = await options.require(neededFor(operation));
  return lagging === undefined ? ordered(first, false) : answered(options, tooOld(lagging));
}

function neededFor(operation: Operation): number {
  if (operation.kind === 'issue') return versionNeeded({ kind: 'issue-certificate' });
  return versionNeeded(operation);
}

function tooOld({ slot, needed, found }: Lagging): CommandResult {
  const expected = `state version ${needed} or later`;
  return {
    kind: 'refused',
    code: 'MEMBER_VERSION_TOO_OLD',
    path: slot,
    expected,
    found: found === undefined ? 'not heard' : String(found),
  };
}

function isTaken(result: CommandResult): boolean {
  if (result.kind === 'approval-recorded' || result.kind === 'approval-withdrawn') {
    return result.isNew;
  }
  return ['manifest-set', 'issued', 'slots-changed', 'rotated'].includes(result.kind);
}

function ordered(command: Uint8Array, opensJournal: boolean): Prepared<CommandResult> {
  return { kind: 'command', command, opensJournal };
}

function answered(options: PreparerOptions, result: CommandResult): Prepared<CommandResult> {
  return { kind: 'answer', index: options.view.appliedIndex, result };
}

/**
 * A command, and what it would do now. Shares are dealt last, once the state machine has found
 * nothing else amiss: nobody without the owners' approval has the seed encrypted to his own keys.
 */
async function manifestCommand(
  operation: Operation & { kind: 'set-manifest' },
  options: PreparerOptions,
): Promise<{ readonly command: Uint8Array; readonly result: CommandResult }> {
  const { view, crypto } = options;
  const previewed = (command: Uint8Array) => ({ command, result: view.preview(command, crypto) });
  const manifest = parseManifest(operation.manifest, { parseReferenceValues, crypto });
  const parts = await commandParts(operation, manifest, options);
  const plain = previewed(encodeCommand(parts));
  const isDue = plain.result.kind === 'refused' && plain.result.code === 'RECOVERY_HEADER_MISSING';
  if (!isDue) return plain;
  const recoveryHeader = await dealNext(manifest, inForceOf(options), view);
  return previewed(encodeCommand({ ...parts, recoveryHeader }));
}

async function commandParts(
  operation: Operation & { kind: 'set-manifest' },
  manifest: ValidatedManifest<ReferenceValues>,
  options: PreparerOptions,
): Promise<SetManifestCommand> {
  const { view, clock } = options;
  const { clusterId } = view;
  const transition = nextTransition({
    clusterId,
    epoch: view.epoch,
    previousGeneration: view.generation,
    previous: view.head,
    manifestDigest: manifest.digest,
    approvals: operation.approvals,
    timeMs: clock.now(),
  });
  const historyKey = deriveHistorySigningKey(inForceOf(options), clusterId);
  const isFirst = view.generation === 0;
  const certificates = createCertificates(options, transition, isSimulated(manifest));
  return {
    ...operation,
    timeMs: transition.timeMs,
    rootCertificate: isFirst ? certificates.root : undefined,
    meshCaCertificate: certificates.meshCa,
    historyPublicKey: isFirst ? spkiOf(historyKey) : undefined,
    transitionSignature: signP256(historyKey, transitionBytes(transition)),
    recoveryHeader: undefined,
  };
}

function identityCommand(
  operation: Operation & { kind: 'issue' },
  { view, clock }: PreparerOptions,
): Uint8Array {
  const workload = view.manifest?.workloads.get(operation.workload);
  const lifetimeMs = (workload?.certificateLifetimeSeconds ?? 60) * 1000;
  const nowMs = clock.now();
  return encodeCommand({
    ...operation,
    kind: 'issue-certificate',
    serial: toHex(randomSerial()),
    notBeforeMs: unixMillis(nowMs - CLOCK_SKEW_MS),
    notAfterMs: unixMillis(nowMs + lifetimeMs),
    recorded: {
      timeMs: nowMs,
      measurement: operation.measurement.slice(0, MEASUREMENT_HEX_MAX),
    },
  });
}

/** Takes an outcome apart; undefined where another attempt with other random numbers is due. */
export function finishOperation(outcome: unknown): CommandResult | undefined {
  const applied = outcome as CommandOutcome;
  if (applied.kind !== 'applied')
    return { kind: 'malformed', code: 'COMMAND_MALFORMED', reason: 'not sealed here' };
  return isWorthAnotherTry(applied.result) ? undefined : applied.result;
}

/** The leader's own decisions were out of date or unlucky; the request itself is not refused. */
function isWorthAnotherTry(result: CommandResult): boolean {
  if (result.kind === 'serial-taken') return true;
  return result.kind === 'refused' && LEADER_CODES.includes(result.code);
}

const LEADER_CODES: readonly string[] = [
  'APPROVALS_COMPLETE',
  'TRANSITION_SIGNATURE_INVALID',
  'FOUNDING_FIELDS_MISSING',
  'FOUNDING_FIELDS_REPEATED',
  'RECOVERY_HEADER_MISSING',
  'RECOVERY_HEADER_UNFIT',
  'RECOVERY_HEADER_UNDUE',
  'ROTATION_CERTIFICATES_UNFIT',
  'ROTATION_SEED_LINK_UNFIT',
];

/** Results travel between replicas of this program as JSON: plain data, no binary parts. */
export function encodeResult(result: CommandResult): Uint8Array {
  return utf8(JSON.stringify(result));
}

/** @throws CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function decodeResult(bytes: Uint8Array): CommandResult {
  try {
    const value = JSON.parse(fromUtf8(bytes)) as CommandResult;
    if (typeof value === 'object' && typeof value.kind === 'string') return value;
  } catch (cause) {
    throw new CoordinatorError('COORDINATOR_WIRE_MALFORMED', 'result is not readable', { cause });
  }
  throw new CoordinatorError('COORDINATOR_WIRE_MALFORMED', 'result is not readable');
}
