/** A cluster's state with real keys, and commands as a leader would build them. */
import { createHash } from 'node:crypto';
import {
  clusterId,
  epoch,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  unixMillis,
  type ClusterId,
  type SlotName,
} from '@witan/core';
import {
  approvalBytes,
  encodeRecoveryHeader,
  manifestDigest,
  recoveryBytes,
  rotationBytes,
  rotationOfText,
  slotChangeBytes,
  transitionBytes,
  type Approval,
  type Recovery,
  type RecoveryHeader,
  type SignedRecovery,
  type RotationSubject,
  type SlotChangeSubject,
} from '@witan/manifest';
import {
  encodeCommand,
  nodeIdOf,
  requestKey,
  StateMachine,
  transitionFor,
  type ApplyResult,
  type ChangeSlotsCommand,
  type Command,
  type IssueCertificateCommand,
  type MemberInfo,
  type RequestKey,
  type RotateCommand,
  type SetManifestCommand,
  type StateView,
} from '../src/index.ts';
import {
  approvalOf,
  bytesOf,
  draftManifest,
  edited,
  nodeCrypto,
  parseReferenceValues,
  signWith,
  testKey,
  type Edits,
  type TestKey,
  type TestReferenceValues,
} from './keys.ts';

export { nodeCrypto, parseReferenceValues };
export type State = StateMachine<TestReferenceValues>;

export const cluster: ClusterId = clusterId('c1'.repeat(32));
export const owner: TestKey = testKey();
export const historyKey: TestKey = testKey();
export const slots: readonly SlotName[] = ['witan-0', 'witan-1', 'witan-2'].map(slotName);
export const options = { parseReferenceValues, crypto: nodeCrypto };
export const rootCertificate: Uint8Array = Uint8Array.of(0x30, 1, 1);
export const meshCaCertificate: Uint8Array = Uint8Array.of(0x30, 1, 2);

/** The `life`-th incarnation of a slot. */
export function incarnationOf(slot: number, life = 0): MemberInfo {
  const digest = createHash('sha256').update(`${slot}/${life}`).digest('hex');
  const incarnation = incarnationId(digest);
  return {
    slot: slots[slot] ?? slotName(`witan-${slot}`),
    incarnation,
    nodeId: nodeIdOf(incarnation),
    address: `witan-${slot}.witan:4433`,
  };
}

export function newState(): State {
  const members = [0, 1, 2].map((slot) => incarnationOf(slot));
  return StateMachine.genesis({ clusterId: cluster, epoch: epoch(1), slots, members }, options);
}

export function key(number: number): RequestKey {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, number);
  return requestKey(bytes);
}

export function manifestBytes(edits: Edits = {}): Uint8Array {
  return bytesOf(edited(draftManifest([owner]), edits));
}

/** The owner's approval of a manifest as the successor of the view's newest transition. */
export function approvalFor(
  view: StateView<unknown>,
  manifest: Uint8Array,
  by: TestKey = owner,
): Approval {
  const data = approvalBytes({
    clusterId: cluster,
    previousTransition: view.head,
    manifestDigest: manifestDigest(manifest, nodeCrypto),
  });
  return approvalOf(by, data);
}

/** A good command for the view's state; what `change` replaces is signed over all the same. */
export function setManifest(
  view: StateView<unknown>,
  manifest: Uint8Array = manifestBytes(),
  change: Partial<SetManifestCommand> = {},
): SetManifestCommand {
  const approvals = change.approvals ?? [approvalFor(view, manifest)];
  const timeMs = change.timeMs ?? unixMillis(1_000);
  const input = { manifestDigest: manifestDigest(manifest, nodeCrypto), approvals, timeMs };
  const isFirst = view.generation === 0;
  return {
    kind: 'set-manifest',
    requestKey: key(1),
    manifest,
    previousTransition: view.head,
    approvals,
    timeMs,
    rootCertificate: isFirst ? rootCertificate : undefined,
    meshCaCertificate,
    historyPublicKey: isFirst ? historyKey.spki : undefined,
    transitionSignature: signWith(historyKey, transitionBytes(transitionFor(view, input))),
    recoveryHeader: undefined,
    ...change,
  };
}

export const DAY_MS = 86_400_000;

export function issue(
  view: StateView<unknown>,
  change: Partial<IssueCertificateCommand> = {},
): IssueCertificateCommand {
  return {
    kind: 'issue-certificate',
    requestKey: key(100),
    workload: 'web',
    spkiSha256: sha256Hex('51'.repeat(32)),
    evidenceSha256: sha256Hex('e1'.repeat(32)),
    generation: generation(view.generation),
    serial: '5e'.repeat(16),
    notBeforeMs: unixMillis(100 * DAY_MS),
    notAfterMs: unixMillis(101 * DAY_MS),
    servedBy: slotName('witan-1'),
    ...change,
  };
}

/** A good command for the view's state; `change` is not signed over, `subject` is. */
export function changeSlots(
  view: StateView<unknown>,
  names: readonly string[],
  change: Partial<ChangeSlotsCommand> & {
    readonly by?: readonly TestKey[];
    readonly subject?: Partial<SlotChangeSubject>;
  } = {},
): ChangeSlotsCommand {
  const { by = [owner], subject, ...rest } = change;
  const to = names.map(slotName);
  const number = view.slotChanges.length;
  const data = slotChangeBytes({
    clusterId: cluster,
    epoch: view.epoch,
    previousTransition: view.head,
    number,
    from: view.slots,
    to,
    ...subject,
  });
  return {
    kind: 'change-slots',
    requestKey: key(500 + number),
    previousTransition: view.head,
    number,
    slots: to,
    approvals: by.map((one) => approvalOf(one, data)),
    timeMs: unixMillis(2_000),
    ...rest,
  };
}

/** A good command for the view's state; `change` is not signed over, `subject` is. */
export function rotate(
  view: StateView<unknown>,
  words: string,
  change: Partial<RotateCommand> & {
    readonly by?: readonly TestKey[];
    readonly subject?: Partial<RotationSubject>;
  } = {},
): RotateCommand {
  const { by = [owner], subject, ...rest } = change;
  const step = rotationOfText(words);
  if (step === undefined) throw new Error(words);
  const number = view.rotations.records.length;
  const place = { clusterId: cluster, epoch: view.epoch, previousTransition: view.head, number };
  const data = rotationBytes({ ...place, step, ...subject });
  const count = Object.entries({
    'root prepare': 2,
    'root activate': 1,
    'mesh-ca prepare': 1,
  }).find(([text]) => words.startsWith(text));
  return {
    kind: 'rotate',
    requestKey: key(700 + number),
    previousTransition: view.head,
    number,
    step,
    approvals: by.map((one) => approvalOf(one, data)),
    timeMs: unixMillis(100 * DAY_MS),
    certificates: Array.from({ length: count?.[1] ?? 0 }, (_, at) => Uint8Array.of(48, number, at)),
    ...rest,
  };
}

/** Applies a command at the next index. */
export function applyNext(state: State, command: Command | Uint8Array): ApplyResult {
  const bytes = command instanceof Uint8Array ? command : encodeCommand(command);
  return state.apply(state.appliedIndex + 1, bytes, nodeCrypto);
}

/** A state with its first manifest. */
export function foundedState(): State {
  const state = newState();
  applyNext(state, setManifest(state, manifestBytes(), { requestKey: key(0) }));
  return state;
}

/** A header as a leader would deal it, but for the encryption, which nobody here looks at. */
export function headerFor(
  owners: readonly TestKey[],
  change: Partial<RecoveryHeader> = {},
): Uint8Array {
  const fingerprints = owners.map(({ fingerprint }) => fingerprint).toSorted();
  return encodeRecoveryHeader({
    clusterId: cluster,
    resharing: 1,
    threshold: 1,
    shares: fingerprints.map((fingerprint, at) => ({
      index: at + 1,
      owner: fingerprint,
      commitment: sha256Hex('c0'.repeat(32)),
      jwe: `share.of.${fingerprint}`,
    })),
    wrappedSeed: new Uint8Array(60).fill(7),
    ...change,
  });
}

/** Makes the owner of every test hold a share. */
export const HOLDER: Edits = { 'owners/0/roles': ['update', 'recovery'], recoveryThreshold: 1 };

/** A state whose first manifest gave the owner a share. */
export function foundedWithShares(): State {
  const state = newState();
  const change = { requestKey: key(0), recoveryHeader: headerFor([owner]) };
  applyNext(state, setManifest(state, manifestBytes(HOLDER), change));
  return state;
}

export function restored(state: State): State {
  return StateMachine.decodeSnapshot(state.encodeSnapshot(), { ...options, crypto: nodeCrypto });
}

/** The incarnations that a recovery opens with, where nothing else is said. */
export const successors: readonly MemberInfo[] = [0, 1].map((slot) => incarnationOf(slot, 1));
export const reading = { ...options, crypto: nodeCrypto };

/** A record that opens the state's cluster again; `change` is signed with it. */
export function recoveryOf(state: State, change: Partial<Recovery> = {}): SignedRecovery {
  const recovery: Recovery = {
    clusterId: cluster,
    epoch: epoch(state.epoch + 1),
    previous: state.recoveryHead,
    from: {
      epoch: state.epoch,
      term: 3,
      index: state.appliedIndex,
      generation: state.generation,
      transitionHash: state.head,
    },
    key: 'shares',
    owners: [owner.fingerprint],
    participants: successors.map(({ slot, incarnation }) => ({ slot, incarnation })),
    acceptedMissing: [],
    timeMs: unixMillis(5_000),
    ...change,
  };
  return { recovery, signature: signWith(historyKey, recoveryBytes(recovery)) };
}

export function reopened(state: State, to: readonly MemberInfo[] = successors): State {
  return state.reopened(recoveryOf(state), to, reading);
}
