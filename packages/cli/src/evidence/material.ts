/**
 * Endorsements and collateral from files, sorted by their content and not by their names. Nothing
 * here is believed: the verifier checks all of it down from a pinned root.
 */
import {
  AttestationError,
  COLLATERAL_DOCUMENT_BYTES_MAX,
  CRL_BYTES_MAX,
  parseCertificate,
  parseCrl,
  parsePem,
  type Certificate,
  type CertificateRevocationList,
} from '@witan/attestation';
import { fromUtf8, utf8 } from '@witan/core';
import {
  EndorsementsError,
  isBundle,
  readBundleUnverified,
  readCachedUnverified,
  type Content as Endorsement,
} from '@witan/endorsements';
import { decodeContent, type Content } from './encoding.ts';
import { readBounded, unusable, type Source } from './input.ts';
import { bytesOfJson, isJsonObject, memberText, type JsonObject } from './json-bytes.ts';

/** A certificate with the file that it came from. */
export interface FoundCertificate {
  readonly path: string;
  readonly certificate: Certificate;
}

/** A revocation list with the file that it came from. */
export interface FoundCrl {
  readonly path: string;
  readonly der: Uint8Array;
  readonly crl: CertificateRevocationList;
}

/** A TCB info or enclave identity: the signed bytes, the signature and, where given, the chain. */
export interface FoundDocument {
  readonly path: string;
  readonly kind: 'tcbInfo' | 'qeIdentity';
  readonly document: Uint8Array;
  readonly signature: Uint8Array;
  /** PEM. */
  readonly chain: Uint8Array | undefined;
}

/** Everything that was found in files. */
export interface Material {
  readonly certificates: readonly FoundCertificate[];
  readonly crls: readonly FoundCrl[];
  readonly documents: readonly FoundDocument[];
}

/** Largest file of endorsements: a bundle with two revocation lists in hex and two documents. */
const FILE_BYTES_MAX: number = 4 * CRL_BYTES_MAX + 4 * COLLATERAL_DOCUMENT_BYTES_MAX;
const SIGNATURE_BYTES = 64;
const EXPECTED = 'a certificate or revocation list (DER or PEM), or Intel’s or THIM’s JSON';
/** Names of the parts of a collateral bundle, as PCS clients write them. */
const BUNDLE = {
  chains: ['tcb_info_issuer_chain', 'qe_identity_issuer_chain', 'pck_crl_issuer_chain'],
  crls: ['root_ca_crl', 'pck_crl'],
  documents: [
    ['tcbInfo', 'tcb_info'],
    ['qeIdentity', 'qe_identity'],
  ],
} as const;
/** Members of Intel's answers whose exact text is signed. */
const ANSWERS = [
  ['tcbInfo', 'tcbInfo'],
  ['qeIdentity', 'enclaveIdentity'],
] as const;
const THIM = ['vcekCert', 'certificateChain'];

/** Material of several files. */
export function mergeMaterial(parts: readonly Material[]): Material {
  return {
    certificates: parts.flatMap(({ certificates }) => certificates),
    crls: parts.flatMap(({ crls }) => crls),
    documents: parts.flatMap(({ documents }) => documents),
  };
}

/**
 * Reads one file.
 *
 * @param what what the user calls the file, for messages
 * @throws CliError CLI_FILE_UNREADABLE
 */
export async function readMaterialFile(path: string, what: string): Promise<Material> {
  const source: Source = { path, what };
  return materialOf(source, decodeContent(await readBounded(source, FILE_BYTES_MAX)));
}

/** The same from content. @throws CliError CLI_FILE_UNREADABLE */
export function materialOf(source: Source, content: Content): Material {
  try {
    if (content.kind === 'pem') return materialOfPem(source, content.text);
    if (content.kind === 'bytes') return materialOfDer(source, content.bytes);
    if (isBundle(content.value)) {
      const bundle = readBundleUnverified(utf8(content.text));
      return mergeMaterial(bundle.map((each) => materialOfEndorsement(source, each)));
    }
    if (isJsonObject(content.value)) return materialOfJson(source, content.value, content.text);
  } catch (cause) {
    if (!(cause instanceof AttestationError || cause instanceof EndorsementsError)) throw cause;
    throw unusable(source, EXPECTED, 'something malformed', cause);
  }
  throw unusable(source, EXPECTED, 'JSON that is no object');
}

/**
 * Reads a content of a cache directory.
 *
 * @throws CliError CLI_FILE_UNREADABLE
 */
export async function readCachedMaterial(path: string, what: string): Promise<Material> {
  const source: Source = { path, what };
  const bytes = await readBounded(source, FILE_BYTES_MAX);
  try {
    return materialOfEndorsement(source, readCachedUnverified(bytes));
  } catch (cause) {
    if (!(cause instanceof AttestationError || cause instanceof EndorsementsError)) throw cause;
    throw unusable(source, 'a content of a cache of endorsements', 'something else', cause);
  }
}

/** The body by its form, and the chain that came with it. */
function materialOfEndorsement(source: Source, { body, issuerChain }: Endorsement): Material {
  const chain = materialOfPem(source, fromUtf8(issuerChain));
  const content = decodeContent(body);
  if (content.kind === 'pem') return mergeMaterial([chain, materialOfPem(source, content.text)]);
  if (content.kind === 'bytes') {
    return mergeMaterial([chain, materialOfDer(source, content.bytes)]);
  }
  const found = isJsonObject(content.value)
    ? documentOfAnswer(source, content.value, content.text)
    : undefined;
  if (found === undefined) throw unusable(source, EXPECTED, 'JSON without a document');
  const document = { ...found, chain: issuerChain };
  return mergeMaterial([chain, { certificates: [], crls: [], documents: [document] }]);
}

function materialOfPem({ path }: Source, text: string): Material {
  const blocks = parsePem(text);
  const of = (label: string): readonly Uint8Array[] =>
    blocks.filter((block) => block.label === label).map(({ der }) => der);
  return {
    certificates: of('CERTIFICATE').map((der) => ({ path, certificate: parseCertificate(der) })),
    crls: of('X509 CRL').map((der) => ({ path, der, crl: parseCrl(der) })),
    documents: [],
  };
}

/** A DER certificate; else a DER revocation list. */
function materialOfDer(source: Source, der: Uint8Array): Material {
  const { path } = source;
  if (der[0] !== 0x30) throw unusable(source, EXPECTED, `${der.byteLength} other bytes`);
  try {
    const crl = parseCrl(der);
    return { certificates: [], crls: [{ path, der, crl }], documents: [] };
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
  }
  return { certificates: [{ path, certificate: parseCertificate(der) }], crls: [], documents: [] };
}

function materialOfJson(source: Source, json: JsonObject, text: string): Material {
  const answer = documentOfAnswer(source, json, text);
  if (answer !== undefined) return { certificates: [], crls: [], documents: [answer] };
  const chains = [...BUNDLE.chains, ...THIM].map((name) => json[name]);
  const pems = chains.filter((chain) => typeof chain === 'string');
  const crls = BUNDLE.crls.map((name) => json[name]).filter((crl) => crl !== undefined);
  const documents = BUNDLE.documents
    .filter(([, name]) => json[name] !== undefined)
    .map(([kind, name]) => documentOfBundle(source, json, kind, name));
  if (pems.length + crls.length + documents.length === 0) {
    const names = Object.keys(json).slice(0, 8).join(', ').slice(0, 200);
    throw unusable(source, EXPECTED, `JSON with ${names === '' ? 'no member' : names}`);
  }
  return mergeMaterial([
    ...pems.map((pem) => materialOfPem(source, pem)),
    ...crls.map((crl) => materialOfDer(source, derOf(source, crl))),
    { certificates: [], crls: [], documents },
  ]);
}

function derOf(source: Source, value: unknown): Uint8Array {
  const der = bytesOfJson(value, CRL_BYTES_MAX);
  if (der !== undefined) return der;
  throw unusable(source, 'revocation lists in hex or base64', 'something else');
}

function documentOfBundle(
  source: Source,
  json: JsonObject,
  kind: FoundDocument['kind'],
  name: string,
): FoundDocument {
  const document = json[name];
  const signature = bytesOfJson(json[`${name}_signature`], SIGNATURE_BYTES);
  const chain = json[`${name}_issuer_chain`];
  if (typeof document !== 'string' || signature === undefined) {
    const expected = `${name} as text, and ${name}_signature of ${SIGNATURE_BYTES} bytes`;
    throw unusable(source, expected, 'something else');
  }
  return {
    path: source.path,
    kind,
    document: utf8(document),
    signature,
    chain: typeof chain === 'string' ? utf8(chain) : undefined,
  };
}

/** An answer of Intel's service as it was received. */
function documentOfAnswer(
  source: Source,
  json: JsonObject,
  text: string,
): FoundDocument | undefined {
  for (const [kind, name] of ANSWERS) {
    if (!isJsonObject(json[name])) continue;
    const signature = bytesOfJson(json['signature'], SIGNATURE_BYTES);
    const document = memberText(text, name);
    if (signature === undefined || document === undefined) {
      const expected = `${name} once, and a signature of ${SIGNATURE_BYTES} bytes`;
      throw unusable(source, expected, 'something else');
    }
    return { path: source.path, kind, document: utf8(document), signature, chain: undefined };
  }
  return undefined;
}
