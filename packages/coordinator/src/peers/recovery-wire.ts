/**
 * What replicas without a working cluster tell each other, on the wire. Lists are bounded: a notice
 * with more than that is refused, and own ones are cut (I10).
 */
import { create } from '@bufbuild/protobuf';
import {
  clusterId,
  epoch,
  fromHex,
  generation,
  incarnationId,
  Secret,
  sha256Hex,
  slotName,
  toHex,
} from '@witan/core';
import { SHARE_BYTES_MAX } from '@witan/keys';
import { RECOVERY_HEADER_BYTES_MAX, decodeFloor, encodeFloor } from '@witan/manifest';
import {
  AuthorisationSchema,
  HeldStateSchema,
  RecoveryNoticeSchema,
  RecoveryNotice_SeedSource,
  type Authorisation as WireAuthorisation,
  type HeldState as WireHeldState,
  type HeldState_Voter,
  type RecoveryNotice as WireNotice,
} from '@witan/protocol';
import type { Authorisation, HeldState, RecoveryNotice, SeedSource, Voter } from '@witan/replica';
import { HEADERS_MAX, HELD_SHARES_MAX } from '../recovery/share-desk.ts';
import {
  malformed,
  memberFromWire,
  memberToWire,
  openingFromWire,
  openingToWire,
  seedFromWire,
  toNumber,
} from './wire.ts';

/** Most states, authorisations, slots and voters in one notice. */
export const HELD_MAX = 16;
export const AUTHORISATIONS_MAX = 64;
export const SLOTS_MAX = 64;
/** Both halves of a joint configuration. */
const VOTERS_MAX: number = 2 * SLOTS_MAX;

const SOURCES: Readonly<Record<SeedSource, RecoveryNotice_SeedSource>> = {
  memory: RecoveryNotice_SeedSource.MEMORY,
  shares: RecoveryNotice_SeedSource.SHARES,
  provider: RecoveryNotice_SeedSource.PROVIDER,
};

/** Holds secrets: for an attested channel only (I1). */
export function noticeToWire(notice: RecoveryNotice): WireNotice {
  const { seed } = notice;
  return create(RecoveryNoticeSchema, {
    self: memberToWire(notice.self),
    opened: notice.opened,
    held: notice.held.slice(0, HELD_MAX).map(heldToWire),
    headers: notice.headers.slice(0, HEADERS_MAX).map((header) => Uint8Array.from(header)),
    // Copies: whoever takes the message apart wipes what it was given.
    shares: notice.shares.slice(0, HELD_SHARES_MAX).map((share) => Uint8Array.from(share.expose())),
    authorisations: notice.authorisations.slice(0, AUTHORISATIONS_MAX).map(authorisationToWire),
    promised: BigInt(notice.promised),
    ...(seed === undefined
      ? {}
      : {
          seed: Uint8Array.from(seed.seed.expose()),
          seedClusterId: fromHex(seed.clusterId),
          seedSource: SOURCES[seed.source],
        }),
  });
}

/** What may be said to anybody who is attested in any way. */
export function withoutSecrets({ seed: _seed, ...notice }: RecoveryNotice): RecoveryNotice {
  return { ...notice, shares: [], authorisations: [] };
}

/** @throws IdError, ManifestError, or CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function noticeFromWire(wire: WireNotice | undefined): RecoveryNotice {
  if (wire === undefined) throw malformed('notice');
  const headers = bounded('headers', wire.headers, HEADERS_MAX);
  if (headers.some((header) => header.byteLength > RECOVERY_HEADER_BYTES_MAX)) {
    throw malformed('headers');
  }
  const seed = noticedSeed(wire);
  return {
    self: memberFromWire(wire.self),
    opened: wire.opened,
    held: bounded('held', wire.held, HELD_MAX).map(heldFromWire),
    headers,
    shares: bounded('shares', wire.shares, HELD_SHARES_MAX).map(shareFromWire),
    authorisations: bounded('authorisations', wire.authorisations, AUTHORISATIONS_MAX).map(
      authorisationFromWire,
    ),
    promised: epoch(toNumber(wire.promised)),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** An opened share, not looked into. @throws CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function shareFromWire(bytes: Uint8Array): Secret {
  const isShort = bytes.byteLength > 0 && bytes.byteLength <= SHARE_BYTES_MAX;
  if (!isShort) throw malformed('share');
  const share = new Secret(bytes);
  bytes.fill(0);
  return share;
}

/** @throws CoordinatorError COORDINATOR_WIRE_MALFORMED above the bound */
export function bounded<Item>(part: string, list: readonly Item[], most: number): readonly Item[] {
  if (list.length > most) throw malformed(part);
  return list;
}

function noticedSeed(wire: WireNotice): RecoveryNotice['seed'] {
  if (wire.seed.byteLength === 0) return undefined;
  const source = Object.entries(SOURCES).find(([, value]) => value === wire.seedSource)?.[0];
  if (source === undefined) throw malformed('seed source');
  return {
    seed: seedFromWire(wire.seed),
    clusterId: clusterId(toHex(wire.seedClusterId)),
    source: source as SeedSource,
  };
}

function heldToWire(held: HeldState): WireHeldState {
  return create(HeldStateSchema, {
    incarnation: fromHex(held.incarnation),
    clusterId: fromHex(held.clusterId),
    epoch: BigInt(held.epoch),
    opening: openingToWire(held.opening),
    term: BigInt(held.term),
    index: BigInt(held.index),
    generation: BigInt(held.generation),
    transitionHash: fromHex(held.transitionHash),
    voters: held.voters.slice(0, VOTERS_MAX).map(voterToWire),
    votersOutgoing: held.votersOutgoing.slice(0, VOTERS_MAX).map(voterToWire),
    seedNumber: BigInt(held.seedNumber ?? 1),
    appliedSeed: BigInt(held.appliedSeed ?? 1),
  });
}

function heldFromWire(wire: WireHeldState): HeldState {
  return {
    incarnation: incarnationId(toHex(wire.incarnation)),
    clusterId: clusterId(toHex(wire.clusterId)),
    epoch: epoch(toNumber(wire.epoch)),
    opening: openingFromWire(wire.opening),
    term: toNumber(wire.term),
    index: toNumber(wire.index),
    generation: generation(toNumber(wire.generation)),
    transitionHash: sha256Hex(toHex(wire.transitionHash)),
    voters: bounded('voters', wire.voters, VOTERS_MAX).map(voterFromWire),
    votersOutgoing: bounded('voters', wire.votersOutgoing, VOTERS_MAX).map(voterFromWire),
    seedNumber: Math.max(1, toNumber(wire.seedNumber)),
    appliedSeed: Math.max(1, toNumber(wire.appliedSeed)),
  };
}

function voterToWire({ slot, incarnation }: Voter) {
  return { slot, incarnation: fromHex(incarnation) };
}

function voterFromWire({ slot, incarnation }: HeldState_Voter): Voter {
  return { slot: slotName(slot), incarnation: incarnationId(toHex(incarnation)) };
}

function authorisationToWire({ owner, floor, acceptMissing }: Authorisation): WireAuthorisation {
  return create(AuthorisationSchema, {
    owner: fromHex(owner),
    floor: floor === undefined ? new Uint8Array(0) : encodeFloor(floor),
    acceptMissing: acceptMissing.slice(0, SLOTS_MAX),
  });
}

function authorisationFromWire(wire: WireAuthorisation): Authorisation {
  return { owner: sha256Hex(toHex(wire.owner)), ...wordFromWire(wire) };
}

/** What an owner says beside the share. @throws IdError, ManifestError, CoordinatorError */
export function wordFromWire(wire: {
  readonly floor: Uint8Array;
  readonly acceptMissing: readonly string[];
}): Pick<Authorisation, 'floor' | 'acceptMissing'> {
  return {
    floor: wire.floor.byteLength === 0 ? undefined : decodeFloor(wire.floor),
    acceptMissing: bounded('slots', wire.acceptMissing, SLOTS_MAX).map(slotName),
  };
}
