/**
 * Endorsements of a TDX quote: TCB info, identity of the quoting enclave, and two revocation lists.
 *
 * The quote brings its PCK chain, which is verified first. So nothing is fetched for platforms that
 * Intel does not know.
 */
import {
  AttestationError,
  parseTdxQuote,
  readPckExtensions,
  toPem,
  type Certificate,
  type TdxEndorsements,
  type TdxEvidence,
} from '@witan/attestation';
import { utf8 } from '@witan/core';
import type { Content } from '../content.ts';
import { EndorsementsError } from '../errors.ts';
import type { PckAuthority } from '../request.ts';
import { PCK_AUTHORITY_NAMES, joinSignedDocument, readIntelChain } from '../verify/intel.ts';
import { demand, isIssuedBy, type Trust, type VerifiedItem } from '../verify/trust.ts';
import { choose, gathered, unusable, type GatherContext, type Gathered } from './choose.ts';

/** What a quote's PCK chain says. */
interface Platform {
  readonly root: Certificate;
  readonly authority: Certificate;
  readonly authorityKind: PckAuthority;
  readonly fmspc: string;
}

type Hint = Omit<Content, 'key'> | undefined;

/** Gathers what the verifier needs. Never throws for the evidence's bytes. */
export async function gatherTdx(
  { quote, endorsements }: TdxEvidence,
  context: GatherContext,
): Promise<Gathered<TdxEndorsements>> {
  let platform: Platform;
  try {
    platform = platformOf(quote, context.trust);
  } catch (error) {
    if (!(error instanceof AttestationError || error instanceof EndorsementsError)) throw error;
    return unusable(endorsements, error);
  }
  const rootPem = pemOf(platform.root);
  const authorityPem = pemOf(platform.authority, platform.root);
  const { fmspc, authorityKind } = platform;
  const hints = documentHints(endorsements);
  const { rootCrl, pckCrl } = endorsements;
  const all = await Promise.all([
    choose({ kind: 'intel-root-crl' }, listHint(rootCrl, rootPem), rootPem, context),
    choose(
      { kind: 'intel-pck-crl', authority: authorityKind },
      listHint(pckCrl, authorityPem),
      authorityPem,
      context,
    ),
    choose({ kind: 'intel-tcb-info', fmspc }, hints.tcbInfo, undefined, context),
    choose({ kind: 'intel-qe-identity' }, hints.qeIdentity, undefined, context),
  ]);
  const [rootList, pckList, tcbInfo, qeIdentity] = all.map(({ item }) => item);
  const superseded = all.map((each) => each.superseded);
  const found: TdxEndorsements = {
    ...withoutSuperseded(endorsements, superseded),
    ...(rootList === undefined ? {} : { rootCrl: rootList.body }),
    ...(pckList === undefined ? {} : { pckCrl: pckList.body }),
    ...tcbInfoParts(tcbInfo),
    ...qeIdentityParts(qeIdentity),
  };
  return gathered(found, all);
}

/** Which members of the endorsements belong to which part, in the order of the parts. */
const MEMBERS = [
  ['rootCrl'],
  ['pckCrl'],
  ['tcbInfo', 'tcbInfoSignature', 'tcbInfoIssuerChain'],
  ['qeIdentity', 'qeIdentitySignature', 'qeIdentityIssuerChain'],
] as const satisfies readonly (readonly (keyof TdxEndorsements)[])[];

function withoutSuperseded(
  endorsements: TdxEndorsements,
  superseded: readonly boolean[],
): TdxEndorsements {
  const dropped: readonly string[] = MEMBERS.flatMap((names, part) =>
    superseded[part] === true ? names : [],
  );
  const kept = Object.entries(endorsements).filter(([name]) => !dropped.includes(name));
  return Object.fromEntries(kept);
}

/** @throws AttestationError or EndorsementsError when the chain leads to no accepted root */
function platformOf(quoteBytes: Uint8Array, trust: Trust): Platform {
  const quote = parseTdxQuote(quoteBytes);
  const { chain, root } = readIntelChain(quote.pckChain, trust);
  const kinds = ['platform', 'processor'] as const;
  for (const authorityKind of kinds) {
    const name = PCK_AUTHORITY_NAMES[authorityKind];
    const authority = chain.find(({ subject }) => subject.commonName === name);
    if (authority === undefined) continue;
    const pck = chain.find((each) => each !== root && each !== authority);
    const good =
      pck !== undefined &&
      isIssuedBy(authority, root, trust.crypto) &&
      isIssuedBy(pck, authority, trust.crypto);
    demand(good, 'PCK chain');
    const { fmspc } = readPckExtensions(pck ?? authority);
    return { root, authority, authorityKind, fmspc };
  }
  throw new EndorsementsError('ENDORSEMENTS_UNVERIFIED', { fields: { check: 'PCK chain' } });
}

function listHint(body: Uint8Array | undefined, issuerChain: Uint8Array): Hint {
  return body === undefined ? undefined : { issuerChain, body };
}

/** Documents that came with the evidence, put together again as the service sends them. */
function documentHints(given: TdxEndorsements): Readonly<Record<'tcbInfo' | 'qeIdentity', Hint>> {
  const hint = (
    name: 'tcbInfo' | 'enclaveIdentity',
    document: Uint8Array | undefined,
    signature: Uint8Array | undefined,
    issuerChain: Uint8Array | undefined,
  ): Hint => {
    if (document === undefined || signature === undefined || issuerChain === undefined) {
      return undefined;
    }
    return { issuerChain, body: joinSignedDocument({ document, signature }, name) };
  };
  return {
    tcbInfo: hint('tcbInfo', given.tcbInfo, given.tcbInfoSignature, given.tcbInfoIssuerChain),
    qeIdentity: hint(
      'enclaveIdentity',
      given.qeIdentity,
      given.qeIdentitySignature,
      given.qeIdentityIssuerChain,
    ),
  };
}

function tcbInfoParts(item: VerifiedItem | undefined): TdxEndorsements {
  if (item?.parts.kind !== 'document') return {};
  const { document, signature } = item.parts;
  return {
    tcbInfoIssuerChain: item.issuerChain,
    tcbInfo: document,
    tcbInfoSignature: signature,
  };
}

function qeIdentityParts(item: VerifiedItem | undefined): TdxEndorsements {
  if (item?.parts.kind !== 'document') return {};
  const { document, signature } = item.parts;
  return {
    qeIdentityIssuerChain: item.issuerChain,
    qeIdentity: document,
    qeIdentitySignature: signature,
  };
}

function pemOf(...certificates: readonly Certificate[]): Uint8Array {
  return utf8(certificates.map(({ der }) => toPem('CERTIFICATE', der)).join(''));
}
