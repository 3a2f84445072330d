/** Endorsements of a SEV-SNP report: endorsement key, authorities, revocation list. */
import {
  AttestationError,
  SIGNING_KEY_VCEK,
  amdRootCertificate,
  certificateFingerprint,
  parseCertificate,
  parseCertificateTable,
  parseSnpReport,
  productOfCpuid,
  productOfName,
  tcbParts,
  toPem,
  type SnpCertificateTable,
  type SnpEndorsements,
  type SnpEvidence,
  type SnpProduct,
  type SnpReport,
  type SnpSigner,
} from '@witan/attestation';
import { isAllZero, toHex, utf8 } from '@witan/core';
import { EndorsementsError } from '../errors.ts';
import { choose, gathered, missing, unusable } from './choose.ts';
import type { Chosen, GatherContext, Gathered } from './choose.ts';

/** What the evidence suggests. */
interface Hints {
  readonly vek: Uint8Array | undefined;
  readonly intermediate: Uint8Array | undefined;
  readonly root: Uint8Array | undefined;
  readonly crl: Uint8Array | undefined;
}

/** CHIP_ID as AMD's service names it. */
const CHIP_ID_BYTES: Readonly<Record<SnpProduct, number>> = { Milan: 64, Genoa: 64, Turin: 8 };

/** Gathers what the verifier needs. Never throws for the evidence's bytes. */
export async function gatherSnp(
  { report: bytes, endorsements }: SnpEvidence,
  context: GatherContext,
): Promise<Gathered<SnpEndorsements>> {
  let report: SnpReport;
  try {
    report = parseSnpReport(bytes);
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    return unusable(endorsements, error);
  }
  const signer: SnpSigner = report.signingKey === SIGNING_KEY_VCEK ? 'VCEK' : 'VLEK';
  const hints = hintsOf(endorsements, signer, context);
  if (hints.root !== undefined && !isAccepted(hints.root, context)) {
    const fields = { check: 'root' };
    return unusable(endorsements, new EndorsementsError('ENDORSEMENTS_UNVERIFIED', { fields }));
  }
  const product = productOf(report, hints.vek);
  if (product === undefined) {
    const fields = { expected: 'a processor that is known, or a certificate with the evidence' };
    return unusable(endorsements, new EndorsementsError('ENDORSEMENTS_NOT_PUBLISHED', { fields }));
  }
  const chain = await chooseChain(product, signer, hints, context);
  const [vek, crl] = await Promise.all([
    chooseVek(report, product, signer, hints, chain, context),
    chooseCrl(product, signer, hints, chain, context),
  ]);
  return gathered(assemble(endorsements, hints, { chain, vek, crl }), [chain, vek, crl]);
}

/** Nothing is fetched for evidence that says itself that it leads elsewhere. */
function isAccepted(root: Uint8Array, { trust: { crypto, snp } }: GatherContext): boolean {
  const fingerprint = certificateFingerprint(crypto, root);
  return (
    snp.production.some(({ sha256 }) => sha256 === fingerprint) ||
    snp.development.includes(fingerprint)
  );
}

function hintsOf(
  { vek, intermediate, root, crl, certificateTable }: SnpEndorsements,
  signer: SnpSigner,
  { onEvent }: GatherContext,
): Hints {
  let table: SnpCertificateTable = {};
  try {
    if (certificateTable !== undefined) table = parseCertificateTable(certificateTable);
  } catch (cause) {
    if (!(cause instanceof AttestationError)) throw cause;
    const error = new EndorsementsError('ENDORSEMENTS_EVIDENCE_UNUSABLE', { cause });
    onEvent({ kind: 'hint-ignored', key: 'certificate-table', error });
  }
  return {
    vek: vek ?? (signer === 'VCEK' ? table.vcek : table.vlek),
    intermediate: intermediate ?? table.intermediate,
    root,
    crl,
  };
}

/** Reports of version 2 do not name the processor; then the certificate's issuer does. */
function productOf({ cpuid }: SnpReport, vek: Uint8Array | undefined): SnpProduct | undefined {
  if (cpuid !== undefined) return productOfCpuid(cpuid);
  if (vek === undefined) return undefined;
  try {
    const issuer = parseCertificate(vek).issuer.commonName ?? '';
    return productOfName(issuer.replace(/^SEV-(VLEK-)?/, ''));
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    return undefined;
  }
}

function chooseChain(
  product: SnpProduct,
  signer: SnpSigner,
  { intermediate, root }: Hints,
  context: GatherContext,
): Promise<Chosen> {
  // A host's table has the intermediate but no root that counts; AMD's own is at hand.
  const body =
    intermediate === undefined
      ? undefined
      : pemOf(intermediate, root ?? amdRootCertificate(product));
  const hint = body === undefined ? undefined : { issuerChain: new Uint8Array(), body };
  return choose({ kind: 'amd-chain', product, signer }, hint, undefined, context);
}

async function chooseVek(
  report: SnpReport,
  product: SnpProduct,
  signer: SnpSigner,
  { vek }: Hints,
  chain: Chosen,
  context: GatherContext,
): Promise<Chosen> {
  if (signer === 'VLEK') return vlekOf(vek);
  const idBytes = CHIP_ID_BYTES[product];
  const { chipId, reportedTcb } = report;
  const key = `amd-vcek/${product}`;
  if (isAllZero(chipId) || !isAllZero(chipId.subarray(idBytes))) {
    const fields = { expected: 'a chip id' };
    return missing(key, new EndorsementsError('ENDORSEMENTS_EVIDENCE_UNUSABLE', { fields }));
  }
  const issuerChain = chain.item?.body;
  if (issuerChain === undefined) {
    return missing(key, chain.part.problem ?? new EndorsementsError('ENDORSEMENTS_UNVERIFIED'));
  }
  const tcb = tcbParts(product, reportedTcb);
  const request = {
    kind: 'amd-vcek',
    product,
    chipId: toHex(chipId.subarray(0, idBytes)),
    tcb,
  } as const;
  const hint = vek === undefined ? undefined : { issuerChain, body: vek };
  return choose(request, hint, issuerChain, context);
}

/** AMD gives these certificates to cloud providers only, who give them to their guests. */
function vlekOf(vek: Uint8Array | undefined): Chosen {
  const key = 'amd-vlek';
  if (vek === undefined) return missing(key, new EndorsementsError('ENDORSEMENTS_NOT_PUBLISHED'));
  const part = { key, source: 'evidence', validUntil: undefined, problem: undefined } as const;
  return { part, item: undefined, superseded: false };
}

async function chooseCrl(
  product: SnpProduct,
  signer: SnpSigner,
  { crl }: Hints,
  chain: Chosen,
  context: GatherContext,
): Promise<Chosen> {
  const issuerChain = chain.item?.body;
  const hint =
    crl === undefined || issuerChain === undefined ? undefined : { issuerChain, body: crl };
  if (issuerChain !== undefined) {
    return choose({ kind: 'amd-crl', product, signer }, hint, issuerChain, context);
  }
  const problem = chain.part.problem ?? new EndorsementsError('ENDORSEMENTS_UNVERIFIED');
  return missing(`amd-crl/${product}/${signer}`, problem);
}

/** The host's table is left out once it is not needed: a malformed one would be refused. */
function assemble(
  endorsements: SnpEndorsements,
  hints: Hints,
  { chain, vek, crl }: Readonly<Record<'chain' | 'vek' | 'crl', Chosen>>,
): SnpEndorsements {
  const { certificateTable, crl: hintedCrl, ...rest } = endorsements;
  const chainParts = chain.item?.parts;
  const vekBytes = vek.item?.body ?? hints.vek;
  const crlBytes = crl.item?.body ?? (crl.superseded ? undefined : hintedCrl);
  const found = {
    ...rest,
    ...(vekBytes === undefined ? {} : { vek: vekBytes }),
    ...(chainParts?.kind === 'chain'
      ? { intermediate: chainParts.intermediate, root: chainParts.root }
      : {}),
    ...(crlBytes === undefined ? {} : { crl: crlBytes }),
  };
  const tableNeeded = found.vek === undefined || found.intermediate === undefined;
  return tableNeeded && certificateTable !== undefined ? { ...found, certificateTable } : found;
}

function pemOf(...certificates: readonly Uint8Array[]): Uint8Array {
  return utf8(certificates.map((der) => toPem('CERTIFICATE', der)).join(''));
}
