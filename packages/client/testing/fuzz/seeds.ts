/** Good inputs of every parser of what owners, replicas and disks give, made anew for each run. */
import { parseReferenceValues } from '@witan/attestation';
import {
  clusterId,
  epoch,
  generation,
  incarnationId,
  Secret,
  sha256Hex,
  slotName,
  unixMillis,
  utf8,
  type ClusterId,
} from '@witan/core';
import {
  createRootCertificate,
  createSealer,
  createSeed,
  dealShares,
  deriveHistorySigningKey,
  deriveRootCaKey,
  encodeRecoveryHeader,
  encodeShare,
  encodeShareFile,
  generateOwnerKeyPair,
  loadApprovalKey,
  loadShareOwnerPrivateKey,
  nodeCrypto,
  openShare,
  ownerFingerprint,
  privateKeyPemOf,
  randomSerial,
  signJws,
  signP256,
  spkiOf,
  type OwnerKeyPair,
  type OwnerKeyType,
} from '@witan/keys';
import {
  approvalBytes,
  encodeReceipt,
  encodeSignedHighWaterMark,
  highWaterMarkBytes,
  jwsAlgorithmOf,
  leafBytes,
  leafHash,
  MerkleLog,
  NO_TRANSITION,
  parseManifest,
  type LogLeaf,
  type Owner,
  type Receipt,
} from '@witan/manifest';
import { createPrivateKey, type KeyObject } from 'node:crypto';

/** The cluster that everything is of. */
export const CLUSTER: ClusterId = clusterId('c1'.repeat(32));
/** When the approvals expire. */
export const EXPIRY_SECONDS = 2_000_000_000;
const SLOT = slotName('witan-0');
const HASH = sha256Hex('ab'.repeat(32));
const KINDS: readonly OwnerKeyType[] = ['p256', 'p384', 'rsa3072', 'ed25519'];

/** An owner with a key of one kind. */
export interface SeedOwner {
  readonly name: OwnerKeyType;
  readonly pair: OwnerKeyPair;
  readonly key: KeyObject;
}

/** Everything that targets are made from. */
export interface Seeds {
  readonly owners: readonly SeedOwner[];
  /** The owners as a manifest gives them. */
  readonly listed: readonly Owner[];
  readonly manifest: Uint8Array;
  /** What the approvals are of. */
  readonly approved: Uint8Array;
  readonly approvals: readonly Uint8Array[];
  readonly historyPublicKey: Uint8Array;
  readonly leaves: readonly Uint8Array[];
  readonly receipts: readonly Receipt[];
  readonly header: Uint8Array;
  readonly jwes: readonly string[];
  readonly shares: readonly Uint8Array[];
  readonly shareFiles: readonly Uint8Array[];
  readonly sealed: readonly Uint8Array[];
  /** A root of a simulated cluster, and one of another. */
  readonly certificates: readonly Uint8Array[];
  readonly seed: ReturnType<typeof createSeed>;
}

function manifestOf(owners: readonly SeedOwner[]): Uint8Array {
  const referenceValues = {
    tee: 'snp',
    hostData: '00'.repeat(32),
    measurement: ['c0'.repeat(48)],
    products: ['Genoa'],
    minimumTcb: { bootloader: 1, tee: 0, snp: 1, microcode: 1 },
  };
  const document = {
    apiVersion: 'witan.dev/v1',
    coordinators: [referenceValues],
    workloads: {
      web: { referenceValues: [referenceValues], dnsNames: ['web'], secrets: ['database'] },
    },
    owners: owners.map(({ name, pair }, at) => ({
      name,
      // Both forms of a key.
      publicKey: at % 2 === 0 ? pair.publicKeyPem : jwkOf(pair),
      roles: name === 'ed25519' ? ['update'] : ['update', 'recovery'],
    })),
    updateThreshold: 1,
    recoveryThreshold: 2,
  };
  return utf8(JSON.stringify(document));
}

function jwkOf({ privateKeyPem }: OwnerKeyPair): Record<string, unknown> {
  const key = createPrivateKey(Buffer.from(privateKeyPem.expose()));
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...rest } = key.export({ format: 'jwk' });
  return rest;
}

/** A private key as a JWK. */
export function privateJwkOf(key: KeyObject): string {
  return JSON.stringify(key.export({ format: 'jwk' }));
}

/** All seeds. Takes a second, because of an RSA key. */
export async function makeSeeds(): Promise<Seeds> {
  const owners = KINDS.map((name) => {
    const pair = generateOwnerKeyPair(name);
    return { name, pair, key: loadApprovalKey(new Secret(pair.privateKeyPem.expose())) };
  });
  const manifest = manifestOf(owners);
  const { owners: listed } = parseManifest(manifest, { parseReferenceValues, crypto: nodeCrypto });
  const approved = approvalBytes({
    clusterId: CLUSTER,
    previousTransition: HASH,
    manifestDigest: HASH,
  });
  const approvals = await Promise.all(
    owners.map((owner, at) => approvalOf(owner, approved, listed[at])),
  );
  const seed = createSeed();
  return {
    ...(await sharesOf(owners, seed)),
    ...loggedBy(deriveHistorySigningKey(seed, CLUSTER)),
    owners,
    listed,
    manifest,
    approved,
    approvals,
    sealed: sealedBy(seed),
    certificates: [true, false].map((simulated) => certificateOf(seed, simulated)),
    seed,
  };
}

function approvalOf(owner: SeedOwner, content: Uint8Array, listed: Owner | undefined) {
  if (listed === undefined) throw new Error('every owner is listed');
  const header = {
    algorithm: jwsAlgorithmOf(listed.keyKind),
    expiresSeconds: EXPIRY_SECONDS,
    owner: listed.fingerprint,
    use: 'witan-approval+jws' as const,
  };
  return signJws(owner.key, header, content);
}

async function sharesOf(owners: readonly SeedOwner[], seed: ReturnType<typeof createSeed>) {
  const holders = owners.filter(({ name }) => name !== 'ed25519');
  const header = await dealShares({
    seed,
    clusterId: CLUSTER,
    resharing: 1,
    threshold: 2,
    owners: holders.map(({ key }) => spkiOf(key)),
  });
  const jwes = holders.map(({ key }) => {
    const fingerprint = ownerFingerprint(spkiOf(key));
    return header.shares.find(({ owner }) => owner === fingerprint)?.jwe ?? '';
  });
  const opened = await Promise.all(
    holders.map(({ key }, at) =>
      openShare(jwes[at] ?? '', loadShareOwnerPrivateKey(privateKeyPemOf(key))),
    ),
  );
  return {
    header: encodeRecoveryHeader(header),
    jwes,
    shares: opened.map((share) => Uint8Array.from(encodeShare(share).expose())),
    shareFiles: opened.map((share) => Uint8Array.from(encodeShareFile(share).expose())),
  };
}

function loggedBy(history: KeyObject) {
  const log = new MerkleLog(nodeCrypto);
  const place = { epoch: epoch(1), generation: generation(1), timeMs: unixMillis(1) };
  const member = { slot: SLOT, incarnation: incarnationId('cd'.repeat(32)) };
  const serial = '5e'.repeat(16);
  const all: readonly LogLeaf[] = [
    { index: 5, ...place, kind: 'approval', owner: HASH, action: 'generation 1' },
    { index: 5, ...place, kind: 'update', transitionHash: HASH, manifestDigest: HASH },
    {
      index: 6,
      ...place,
      kind: 'issuance',
      serial,
      workload: 'web',
      spkiSha256: HASH,
      evidenceSha256: HASH,
      measurement: 'aa',
      notBeforeMs: unixMillis(0),
      notAfterMs: unixMillis(9),
      servedBy: SLOT,
    },
    {
      index: 6,
      ...place,
      kind: 'release',
      serial,
      workload: 'web',
      secrets: [{ name: 'a', version: 1 }],
    },
    { index: 7, ...place, kind: 'membership', added: [member], removed: [], voters: [SLOT] },
    { index: 8, ...place, kind: 'revocation', workloads: ['web'] },
  ];
  const leaves = all.map(leafBytes);
  for (const leaf of leaves) log.append(leafHash(leaf, nodeCrypto));
  const mark = {
    clusterId: CLUSTER,
    epoch: epoch(1),
    commitIndex: 9,
    generation: generation(1),
    transitionHash: NO_TRANSITION,
    timeMs: unixMillis(2),
    log: log.head(),
  };
  const signed = { mark, signature: signP256(history, highWaterMarkBytes(mark)) };
  const historyPublicKey = spkiOf(history);
  const receipts = leaves.map((leaf, index) => ({
    leaf,
    index,
    path: log.inclusionProof(index),
    mark: signed,
    historyPublicKey,
  }));
  return { leaves, receipts, historyPublicKey };
}

function certificateOf(seed: ReturnType<typeof createSeed>, simulated: boolean): Uint8Array {
  return createRootCertificate({
    rootKey: deriveRootCaKey(seed, CLUSTER),
    clusterId: CLUSTER,
    serial: randomSerial(),
    notBefore: unixMillis(1_700_000_000_000),
    notAfter: unixMillis(1_900_000_000_000),
    simulated,
  });
}

function sealedBy(seed: ReturnType<typeof createSeed>): readonly Uint8Array[] {
  const sealer = createSealer({
    seed,
    clusterId: CLUSTER,
    epoch: epoch(1),
    incarnation: incarnationId('1c'.repeat(32)),
    use: 'snapshot',
  });
  return [utf8('a state'), new Uint8Array(300)].map((plain) => sealer.seal(plain, utf8('aad')));
}

/** Bytes of the mark that the receipts hold, and a receipt as it is kept. */
export function encodedReceipts({ receipts }: Seeds): readonly Uint8Array[] {
  return receipts.map(encodeReceipt);
}

/** The signed mark of the receipts. */
export function encodedMarks({ receipts }: Seeds): readonly Uint8Array[] {
  return receipts.slice(0, 1).map(({ mark }) => encodeSignedHighWaterMark(mark));
}
