/** Changes that owners approve: the exact bytes to sign, and what they mean for people. */
import type { ReferenceValues } from '@witan/attestation';
import type { ApprovedAction } from '@witan/client';
import { toHex, type ClusterId, type Epoch, type Sha256Hex, type SlotName } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import {
  approvalBytes,
  diffManifests,
  rotationBytes,
  rotationText,
  slotChangeBytes,
  type RotationStep,
  type ValidatedManifest,
} from '@witan/manifest';
import type { Json } from '../printer.ts';
import { describeDiff } from './changes.ts';

/** Where in a history a change is made. */
export interface Place {
  readonly clusterId: ClusterId;
  readonly previousTransition: Sha256Hex;
}

/** Where a change of slots or a step of a rotation is made. */
export interface NumberedPlace extends Place {
  readonly epoch: Epoch;
  /** How many of its kind were made before. */
  readonly number: number;
}

/** A change, ready to be signed and sent. */
export interface Change extends Place {
  readonly action: ApprovedAction;
  /** Whose approvals count. */
  readonly role: 'update' | 'membership';
  /** What owners sign. */
  readonly content: Uint8Array;
  /** SHA-256 of it: names the change. */
  readonly proposal: Sha256Hex;
  /** What it does, whole, for the file beside the bytes to sign. */
  readonly summary: string;
  /** The same in short, for a terminal. */
  readonly note: string;
  readonly json: { readonly [name: string]: Json };
  /** Said once it is in force. */
  readonly done: string;
}

type Manifest = ValidatedManifest<ReferenceValues>;
const ALL = Number.MAX_SAFE_INTEGER;

/** @param inForce the manifest that this one follows; absent for the first one */
export function manifestChange(place: Place, manifest: Manifest, inForce?: Manifest): Change {
  const { clusterId, previousTransition } = place;
  const content = approvalBytes({
    clusterId,
    previousTransition,
    manifestDigest: manifest.digest,
  });
  const changes = inForce === undefined ? [] : diffManifests(inForce, manifest);
  const first = 'The first manifest of this cluster.\n';
  const diffOf = (shownMax?: number): string =>
    inForce === undefined ? first : describeDiff(changes, shownMax);
  const what = `  manifest    ${manifest.digest}\n`;
  return changeOf(place, 'update', content, {
    action: { kind: 'manifest', manifest },
    summary:
      `Approval of a manifest for a Witan cluster.\n${placeText(place)}` + `${what}${diffOf(ALL)}`,
    note: diffOf(),
    json: { manifestDigest: manifest.digest },
    done: 'The manifest is in force',
  });
}

/** @param from the slots of now @param to the slots that shall be */
export function slotChange(
  place: NumberedPlace,
  from: readonly SlotName[],
  to: readonly SlotName[],
): Change {
  const { number } = place;
  const lines = `  slots now   ${from.join(', ')}\n  slots then  ${to.join(', ')}\n`;
  return changeOf(place, 'membership', slotChangeBytes({ ...place, from, to }), {
    action: { kind: 'slots', number, slots: to },
    summary: `Approval of a change of slots of a Witan cluster.\n${numberedText(place)}${lines}`,
    note: lines,
    json: { slots: to, number },
    done: `The cluster has ${to.length} slots now: ${to.join(', ')}`,
  });
}

export function rotationChange(place: NumberedPlace, step: RotationStep): Change {
  const words = rotationText(step);
  const { number } = place;
  const lines = `  step        ${number + 1}: ${words}\n`;
  return changeOf(place, 'update', rotationBytes({ ...place, step }), {
    action: { kind: 'rotation', number, step },
    summary: `Approval of a step of a rotation.\n${numberedText(place)}${lines}`,
    note: lines,
    json: { step: words, number },
    done: `Step ${number + 1} was taken: ${words}`,
  });
}

function changeOf(
  { clusterId, previousTransition }: Place,
  role: Change['role'],
  content: Uint8Array,
  what: Pick<Change, 'action' | 'summary' | 'note' | 'json' | 'done'>,
): Change {
  const proposal = toHex(nodeCrypto.hash('sha256', content)) as Sha256Hex;
  return { clusterId, previousTransition, role, content, proposal, ...what };
}

function placeText({ clusterId, previousTransition }: Place): string {
  return `  cluster     ${clusterId}\n  builds on   ${previousTransition}\n`;
}

function numberedText(place: NumberedPlace): string {
  return `${placeText(place)}  epoch       ${place.epoch}\n`;
}
