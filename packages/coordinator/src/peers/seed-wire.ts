/** The next seed on its way to a member, and the public half of its history key. */
import { create } from '@bufbuild/protobuf';
import { clusterId, epoch, fromHex, toHex, type ClusterId, type Secret } from '@witan/core';
import { deriveHistorySigningKey, seedFromBytes, spkiOf } from '@witan/keys';
import { DeliverSeedRequestSchema, type DeliverSeedRequest } from '@witan/protocol';
import type { SeedDelivery } from '@witan/replica';
import { openingFromWire, openingToWire, toNumber } from './wire.ts';
import { malformed } from './wire-parts.ts';

const SEED_BYTES = 32;

/** Holds a secret: for an attested channel only (I1). */
export function seedDeliveryToWire(delivery: SeedDelivery): DeliverSeedRequest {
  return create(DeliverSeedRequestSchema, {
    clusterId: fromHex(delivery.clusterId),
    epoch: BigInt(delivery.epoch),
    opening: openingToWire(delivery.opening),
    number: BigInt(delivery.number),
    seed: Uint8Array.from(delivery.seed.expose()),
  });
}

/** @throws IdError or CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function seedDeliveryFromWire(wire: DeliverSeedRequest): SeedDelivery {
  if (wire.seed.byteLength !== SEED_BYTES) throw malformed('seed');
  const seed = seedFromBytes(wire.seed);
  wire.seed.fill(0);
  return {
    clusterId: clusterId(toHex(wire.clusterId)),
    epoch: epoch(toNumber(wire.epoch)),
    opening: openingFromWire(wire.opening),
    number: toNumber(wire.number),
    seed,
  };
}

/** DER SubjectPublicKeyInfo of the key that signs a seed's history. */
export function historyPublicKey(seed: Secret, cluster: ClusterId): Uint8Array {
  return spkiOf(deriveHistorySigningKey(seedFromBytes(seed.expose()), cluster));
}
