/**
 * What is fuzzed, and what must hold of each input: it is refused with a typed error that holds no
 * secret, or what comes out is sound. A signature, a proof or a seal that passes although its input
 * was changed would be worse than a crash.
 */
import { parseReferenceValues } from '@witan/attestation';
import { bytesEqual, concatBytes, Secret, toHex, unixMillis, utf8 } from '@witan/core';
import {
  checkShareAgainstJwe,
  createUnsealer,
  decodeRecoveryHeaderUnverified,
  decodeShare,
  decodeShareFile,
  encodeRecoveryHeader,
  encodeShare,
  isSimulatedCertificate,
  loadApprovalKey,
  loadApprovalPublicKey,
  loadOwnerPrivateKey,
  loadShareOwnerPrivateKey,
  loadShareOwnerPublicKey,
  nodeCrypto,
  openShare,
  parseSealHeader,
  readForeignSignature,
  readShareEnvelopeUnverified,
} from '@witan/keys';
import {
  checkSignature,
  decodeFloor,
  decodeLeaf,
  decodeReceipt,
  decodeSignedHighWaterMark,
  detachedJws,
  encodeFloor,
  encodeSignedHighWaterMark,
  floorOf,
  leafBytes,
  parseDetachedJws,
  parseManifest,
  parseSigningInput,
  signingInput,
  verifyHighWaterMark,
  verifyReceipt,
} from '@witan/manifest';
import { decodeRecord } from '../../src/index.ts';
import { encodeRecord } from '../../src/store/record.ts';
import {
  CLUSTER,
  EXPIRY_SECONDS,
  encodedMarks,
  encodedReceipts,
  privateJwkOf,
  type Seeds,
} from './seeds.ts';

/** One parser. */
export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Names of the error classes that a refusal may have. */
  readonly errors: readonly string[];
  /** What no error may hold. */
  readonly secrets?: readonly string[];
  /**
   * What is wrong with the result; undefined where nothing is. Throws to refuse, or gives
   * 'refused' where the parser gives nothing.
   */
  readonly run: (bytes: Uint8Array) => string | undefined | Promise<string | undefined>;
}

/** An hour before the approvals expire. */
const APPROVED_MS = unixMillis(EXPIRY_SECONDS * 1000 - 3_600_000);
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const KEYS = ['KeysError'];
const MANIFEST = ['ManifestError'];

/** Whether encoding what was read gives the same bytes: one value has one encoding. */
const same = (what: string, one: Uint8Array, other: Uint8Array): string | undefined =>
  bytesEqual(one, other) ? undefined : `${what} has another encoding`;

/** Every parser of this list. */
export function targetsOf(seeds: Seeds): readonly Target[] {
  return [
    ...keyTargets(seeds),
    ...approvalTargets(seeds),
    ...shareTargets(seeds),
    ...logTargets(seeds),
    ...otherTargets(seeds),
  ];
}

function keyTargets({ owners, manifest }: Seeds): readonly Target[] {
  const pems = owners.map(({ pair }) => pair.privateKeyPem.expose());
  const jwks = owners.map(({ key }) => utf8(privateJwkOf(key)));
  const ders = owners.map(({ key }) =>
    Uint8Array.from(key.export({ format: 'der', type: 'pkcs8' })),
  );
  const inner = owners.flatMap(({ key }) => {
    const { d = '' } = key.export({ format: 'jwk' });
    const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString().split('\n');
    return [d.slice(0, 32), ...pem.filter((line) => line.length > 40)];
  });
  const loads = { loadApprovalKey, loadOwnerPrivateKey, loadShareOwnerPrivateKey };
  const publicPems = owners.map(({ pair }) => utf8(pair.publicKeyPem));
  const publicLoads = { loadApprovalPublicKey, loadShareOwnerPublicKey };
  return [
    ...Object.entries(loads).map(([name, load]): Target => ({
      name,
      seeds: [...pems, ...jwks, ...ders],
      errors: KEYS,
      secrets: inner,
      run: (bytes) => (load(new Secret(bytes)).type === 'private' ? undefined : 'no private key'),
    })),
    ...Object.entries(publicLoads).map(([name, load]): Target => ({
      name,
      seeds: [...publicPems, ...jwks],
      errors: KEYS,
      run: (bytes) => (load(textOf(bytes)).type === 'public' ? undefined : 'no public key'),
    })),
    {
      name: 'parseManifest',
      seeds: [manifest],
      errors: [...MANIFEST, 'AttestationError'],
      run: (bytes) => {
        const options = { parseReferenceValues, crypto: nodeCrypto };
        const { owners: listed } = parseManifest(bytes, options);
        const wrong = listed.find(({ publicKey, fingerprint }) => {
          return toHex(nodeCrypto.hash('sha256', publicKey)) !== fingerprint;
        });
        return wrong === undefined ? undefined : 'a fingerprint of another key';
      },
    },
  ];
}

function approvalTargets({ approvals, approved, listed }: Seeds): readonly Target[] {
  const inputs = approvals.flatMap((jws) => {
    const header = parseDetachedJws(jws)?.header;
    return header === undefined ? [] : [signingInput(header, approved)];
  });
  const raw = approvals.flatMap((jws) => parseDetachedJws(jws)?.signature ?? []);
  return [
    {
      name: 'parseDetachedJws',
      seeds: approvals,
      errors: [],
      run: (bytes) => {
        const parsed = parseDetachedJws(bytes);
        if (parsed === undefined) return 'refused';
        return same('a JWS', detachedJws(parsed.header, parsed.signature), bytes);
      },
    },
    {
      name: 'parseSigningInput',
      seeds: inputs,
      errors: [],
      run: (bytes) => {
        const parsed = parseSigningInput(bytes);
        if (parsed === undefined) return 'refused';
        return same('what is signed', signingInput(parsed.header, parsed.content), bytes);
      },
    },
    {
      name: 'checkSignature',
      seeds: approvals,
      errors: MANIFEST,
      run: (signature) => {
        const owner = listed.find(({ fingerprint }) => {
          return fingerprint === parseDetachedJws(signature)?.header.owner;
        });
        if (owner === undefined) return 'refused';
        const use = 'witan-approval+jws' as const;
        const approval = { ownerFingerprint: owner.fingerprint, signature };
        const of = { approval, owner, content: approved, path: 'approval', use };
        checkSignature(of, { timeMs: APPROVED_MS, crypto: nodeCrypto });
        const isOriginal = approvals.some((jws) => bytesEqual(jws, signature));
        return isOriginal ? undefined : 'a changed approval passes';
      },
    },
    ...(['p256', 'p384', 'rsa', 'ed25519'] as const).map((kind): Target => ({
      name: `readForeignSignature ${kind}`,
      seeds: [
        ...raw,
        ...raw.map((one) => utf8(Buffer.from(one).toString('base64'))),
        ...raw.flatMap(derOf),
      ],
      errors: KEYS,
      run: (bytes) => {
        const signature = readForeignSignature(kind, bytes);
        const lengths = { p256: 64, p384: 96, ed25519: 64, rsa: signature.byteLength };
        return signature.byteLength === lengths[kind] ? undefined : 'a signature of another length';
      },
    })),
  ];
}

/** An ECDSA signature as OpenSSL writes it. */
function derOf(raw: Uint8Array): readonly Uint8Array[] {
  if (raw.byteLength > 96) return [];
  const half = raw.byteLength / 2;
  const integers = [raw.subarray(0, half), raw.subarray(half)].map((value) => {
    const digits = (value[0] ?? 0) < 0x80 ? value : concatBytes(Uint8Array.of(0), value);
    return concatBytes(Uint8Array.of(2, digits.byteLength), digits);
  });
  const body = concatBytes(...integers);
  return [concatBytes(Uint8Array.of(0x30, body.byteLength), body)];
}

function shareTargets({ header, jwes, shares, shareFiles, owners }: Seeds): readonly Target[] {
  const [first = ''] = jwes;
  const holder = owners[0]?.key;
  const opened = new Set(shares.map(toHex));
  const inner = shareFiles.flatMap((file) => textOf(file).match(/[A-Za-z0-9+/=_-]{40,}/g) ?? []);
  return [
    {
      name: 'decodeShare',
      seeds: shares,
      errors: KEYS,
      run: (bytes) => same('a share', encodeShare(decodeShare(new Secret(bytes))).expose(), bytes),
    },
    {
      name: 'decodeShareFile',
      seeds: shareFiles,
      errors: KEYS,
      secrets: inner,
      run: (bytes) => {
        const share = decodeShareFile(new Secret(bytes));
        checkShareAgainstJwe(first, share);
        return opened.has(toHex(encodeShare(share).expose()))
          ? undefined
          : 'a changed share passes';
      },
    },
    {
      name: 'readShareEnvelopeUnverified',
      seeds: jwes.map(utf8),
      errors: KEYS,
      run: (bytes) => {
        const { clusterId } = readShareEnvelopeUnverified(textOf(bytes));
        return clusterId.length === 64 ? undefined : 'no cluster id';
      },
    },
    {
      name: 'openShare',
      seeds: [utf8(first)],
      errors: KEYS,
      run: async (bytes) => {
        if (holder === undefined) return 'nobody to open it';
        const share = await openShare(textOf(bytes), holder);
        return opened.has(toHex(encodeShare(share).expose())) ? undefined : 'a changed JWE opens';
      },
    },
    {
      name: 'decodeRecoveryHeaderUnverified',
      seeds: [header],
      errors: [...KEYS, ...MANIFEST],
      run: (bytes) =>
        same('a header', encodeRecoveryHeader(decodeRecoveryHeaderUnverified(bytes)), bytes),
    },
  ];
}

function logTargets(seeds: Seeds): readonly Target[] {
  const { historyPublicKey, leaves } = seeds;
  const known = new Set(leaves.map(toHex));
  const [mark = new Uint8Array()] = encodedMarks(seeds);
  const trust = { clusterId: CLUSTER, historyPublicKey };
  return [
    {
      name: 'decodeReceipt and verifyReceipt',
      seeds: encodedReceipts(seeds),
      errors: MANIFEST,
      run: (bytes) => {
        const receipt = decodeReceipt(bytes);
        verifyReceipt(receipt, trust, nodeCrypto);
        const isKnown = toHex(leaves[receipt.index] ?? new Uint8Array()) === toHex(receipt.leaf);
        return isKnown && known.has(toHex(receipt.leaf)) ? undefined : 'a changed receipt passes';
      },
    },
    {
      name: 'decodeLeaf',
      seeds: leaves,
      errors: MANIFEST,
      run: (bytes) => same('a leaf', leafBytes(decodeLeaf(bytes)), bytes),
    },
    {
      name: 'decodeSignedHighWaterMark and verifyHighWaterMark',
      seeds: [mark],
      errors: MANIFEST,
      run: (bytes) => {
        const signed = decodeSignedHighWaterMark(bytes);
        const wrong = same('a mark', encodeSignedHighWaterMark(signed), bytes);
        if (wrong !== undefined) return wrong;
        verifyHighWaterMark(signed, historyPublicKey, nodeCrypto);
        return bytesEqual(bytes, mark) ? undefined : 'a changed mark passes';
      },
    },
    {
      name: 'decodeFloor',
      seeds: [encodeFloor(floorOf(decodeSignedHighWaterMark(mark).mark))],
      errors: MANIFEST,
      run: (bytes) => same('a floor', encodeFloor(decodeFloor(bytes)), bytes),
    },
  ];
}

function otherTargets({
  sealed,
  seed,
  certificates,
  historyPublicKey,
  manifest,
  receipts,
}: Seeds): readonly Target[] {
  const unsealer = createUnsealer({ seed, clusterId: CLUSTER, use: 'snapshot' });
  const [receipt] = receipts;
  const record =
    receipt === undefined
      ? new Uint8Array()
      : encodeRecord({
          clusterId: CLUSTER,
          floor: floorOf(receipt.mark.mark),
          ...(receipt.mark.mark.log && { log: receipt.mark.mark.log }),
          endpoints: ['witan-0:7070'],
          rootCertificate: historyPublicKey,
          historyPublicKey,
          manifest,
        });
  return [
    {
      name: 'unseal',
      seeds: sealed,
      errors: KEYS,
      run: (bytes) => {
        unsealer.open(bytes, utf8('aad'));
        const isOriginal = sealed.some((one) => bytesEqual(one, bytes));
        return isOriginal ? undefined : 'a changed seal opens';
      },
    },
    {
      name: 'parseSealHeader',
      seeds: sealed,
      errors: KEYS,
      run: (bytes) => (parseSealHeader(bytes).epoch >= 0 ? undefined : 'no epoch'),
    },
    {
      name: 'isSimulatedCertificate',
      seeds: certificates,
      errors: KEYS,
      run: (bytes) =>
        typeof isSimulatedCertificate(bytes) === 'boolean' ? undefined : 'no answer',
    },
    {
      name: 'decodeRecord',
      seeds: [record],
      errors: ['ClientError'],
      run: (bytes) => {
        const { floor } = decodeRecord(bytes, 'file');
        const numbers = [floor.epoch, floor.commitIndex, floor.generation];
        return numbers.every((number) => Number.isSafeInteger(number)) ? undefined : 'no floor';
      },
    },
  ];
}
