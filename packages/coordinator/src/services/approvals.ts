/** The approval service: owners approve one by one, at any replica. */
import { parseReferenceValues } from '@witan/attestation';
import { CodedError, fromHex, toHex, type Sha256Hex } from '@witan/core';
import {
  ManifestError,
  expiryOf,
  manifestDigest,
  parseManifest,
  rotationText,
} from '@witan/manifest';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ApprovalService, type ProposalSchema } from '@witan/protocol';
import { neededFor, proposalId, contentOf, type Proposal } from '@witan/state-machine';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { ApproveOperation } from '../approval-operations.ts';
import type { PeerClaims } from '../evidence/rules.ts';
import { approveFromWire, withdrawFromWire } from '../peers/approval-wire.ts';
import {
  clusterIdBytes,
  clusterOf,
  currentView,
  publicly,
  READ_MS,
  signedMark,
  transitionToWire,
  WRITE_MS,
  type ServiceContext,
} from './context.ts';
import { refusalOf } from './refusals.ts';
import { refuseForeignCoordinators } from './user.ts';

type View = Awaited<ReturnType<typeof currentView>>;

export function approvalService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  return serviceRegistration<typeof ApprovalService, PeerClaims>(ApprovalService, {
    approve: async (request) => {
      const operation = acceptable(() => approveFromWire(request));
      await refuseLockout(context, operation);
      const before = await currentView(context);
      const { proposal, needed } = describe(context, before, operation);
      const { index, result } = await publicly(context.writer.execute(operation, WRITE_MS));
      const cluster = clusterOf(context);
      await publicly(cluster.engine.waitApplied(index, { timeoutMs: READ_MS }));
      const view = await currentView(context);
      const common = {
        clusterId: clusterIdBytes(cluster),
        proposal: fromHex(proposal),
        needed,
        historyPublicKey: view.historyPublicKey ?? new Uint8Array(0),
      };
      if (result.kind === 'approval-recorded') {
        context.counters.count('approvals_recorded');
        const { count } = result;
        return { ...common, count, highWaterMark: signedMark(context, cluster) };
      }
      const effect = effectOf(context, view, operation);
      if (effect === undefined) throw refusalOf(result);
      if (result.kind === 'manifest-set') context.counters.count('manifests_set');
      if (result.kind === 'slots-changed') context.counters.count('slots_changed');
      if (result.kind === 'rotated') context.counters.count('rotation_steps');
      const highWaterMark = signedMark(context, cluster);
      return { ...common, inEffect: true, ...effect, highWaterMark };
    },

    withdraw: async (request) => {
      const operation = acceptable(() => withdrawFromWire(request));
      const { result } = await publicly(context.writer.execute(operation, WRITE_MS));
      if (result.kind !== 'approval-withdrawn') throw refusalOf(result);
      context.counters.count('approvals_withdrawn');
      return { clusterId: clusterIdBytes(clusterOf(context)), isNew: result.isNew };
    },

    getProposals: async (request) => {
      const view = await currentView(context);
      const cluster = clusterOf(context);
      const wanted = toHex(request.withManifestOf.subarray(0, 32));
      return {
        clusterId: clusterIdBytes(cluster),
        transitionHash: fromHex(view.head),
        proposals: view.proposals.map((one) => proposalToWire(context, view, one, wanted)),
        ...(view.manifest === undefined ? {} : { highWaterMark: signedMark(context, cluster) }),
      };
    },
  });
}

/** @throws PublicError for a request that nobody has to be asked about */
function acceptable<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const code = error instanceof ManifestError ? error.code : 'REQUEST_INVALID';
    const message = 'the request is not acceptable';
    throw new PublicError('INVALID_ARGUMENT', code, message, error.fields, error);
  }
}

/** A manifest that this very replica does not meet is not collected for either. */
async function refuseLockout(context: ServiceContext, { action }: ApproveOperation): Promise<void> {
  if (action.kind !== 'manifest') return;
  const { crypto } = context;
  const manifest = acceptable(() =>
    parseManifest(action.manifest, { parseReferenceValues, crypto }),
  );
  await refuseForeignCoordinators(context, manifest);
}

function describe(
  { crypto }: ServiceContext,
  view: View,
  { action }: ApproveOperation,
): { readonly proposal: Sha256Hex; readonly needed: number } {
  const proposal = proposalId(contentOf(view, action, crypto), crypto);
  return { proposal, needed: neededFor(view, action) };
}

/** What the change did, by this approval or by one that came before it; undefined: nothing yet. */
function effectOf(
  { crypto }: ServiceContext,
  view: View,
  { action, previousTransition }: ApproveOperation,
) {
  if (action.kind === 'slots') {
    const change = view.slotChanges.find(
      ({ number, transition, slots }) =>
        number === action.number + 1 &&
        transition === previousTransition &&
        slots.join() === action.slots.join(),
    );
    if (change === undefined) return undefined;
    return { count: change.approvals.length, slotsNumber: BigInt(change.number) };
  }
  if (action.kind === 'rotation') {
    const record = view.rotations.records[action.number];
    const isIt =
      record?.transition === previousTransition &&
      rotationText(record.step) === rotationText(action.step);
    if (!isIt) return undefined;
    return { count: record.approvals.length, rotationNumber: BigInt(record.number) };
  }
  const digest = manifestDigest(action.manifest, crypto);
  const signed = view.transitions.findLast(
    ({ transition }) =>
      transition.previous === previousTransition && transition.manifestDigest === digest,
  );
  if (signed === undefined) return undefined;
  return { count: signed.transition.approvals.length, transition: transitionToWire(signed) };
}

function proposalToWire(
  { crypto }: ServiceContext,
  view: View,
  proposal: Proposal,
  wanted: string,
): MessageInitShape<typeof ProposalSchema> {
  const { id, action } = proposal;
  const approvals = proposal.approvals.map(({ ownerFingerprint, signature }) => ({
    ownerFingerprint: fromHex(ownerFingerprint),
    expiresMs: BigInt(expiryOf(signature) ?? 0),
  }));
  const withdrawn = view.withdrawals.filter((one) => one.proposal === id);
  const common = {
    id: fromHex(id),
    approvals,
    withdrawnBy: withdrawn.map(({ owner }) => fromHex(owner)),
    needed: neededFor(view, action),
  };
  if (action.kind === 'slots') {
    return { ...common, slots: { number: BigInt(action.number), slots: [...action.slots] } };
  }
  if (action.kind === 'rotation') {
    const rotation = { number: BigInt(action.number), step: rotationText(action.step) };
    return { ...common, rotation };
  }
  const { manifest } = action;
  const digest = fromHex(manifestDigest(manifest, crypto));
  return { ...common, manifestDigest: digest, ...(id === wanted ? { manifest } : {}) };
}
