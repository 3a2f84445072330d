/**
 * Inputs at and above every limit, made to cost as much as can be. Each must be dealt with within
 * 50 ms of processor time and without holding memory (I10).
 */
import {
  appraise,
  COLLATERAL_DOCUMENT_BYTES_MAX,
  CRL_BYTES_MAX,
  decodeEvidence,
  encodeEvidence,
  EVIDENCE_BYTES_MAX,
  PEM_BYTES_MAX,
  parseCertificate,
  parseCertificateTable,
  parsePem,
  parseQeIdentity,
  parseReferenceValues,
  parseTcbInfo,
  parseTdxQuote,
  parseEventLog,
  replayEventLog,
  TDX_QUOTE_BYTES_MAX,
  verifyTdx,
  type TdxVerifyRequest,
} from '../../src/index.ts';
import { concatBytes, toHex, unixMillis } from '@witan/core';
import { der, integer, name, oid, sequence, time, bits } from '../der-writer.ts';
import { serializeEventLog } from '../event-log.ts';
import { testCrypto } from '../node-crypto.ts';
import { createTdxHierarchy, healthyTdReport, TDX_NOW_MS } from '../tdx-hierarchy.ts';
import { referenceJsonFor } from '../tdx-vectors.ts';
import { parseTdxReferenceValues } from '../../src/index.ts';

/** One input with what is done with it. Whatever is thrown must carry a code. */
export interface HostileInput {
  readonly name: string;
  readonly run: () => unknown;
}

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
/** Events that are read at most, the header among them. */
const EVENT_LOG_EVENTS = 2047;
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

/** A list of as many entries as fit, whose signature is nobody's. */
function largeCrl(): Uint8Array {
  const entry = sequence(integer(0x123456), time(TDX_NOW_MS));
  const count = Math.floor((CRL_BYTES_MAX - 1024) / entry.byteLength);
  const entries = new Uint8Array(count * entry.byteLength);
  for (let at = 0; at < count; at += 1) entries.set(entry, at * entry.byteLength);
  const issuer = name('Intel SGX Root CA', 'Test Development Root');
  const period = [time(TDX_NOW_MS - 1000), time(TDX_NOW_MS + 1000)];
  const tbs = sequence(integer(1), ECDSA_SHA256, issuer, ...period, der(0x30, entries));
  return sequence(tbs, ECDSA_SHA256, bits(new Uint8Array(70).fill(0x30)));
}

function nested(depth: number): Uint8Array {
  let bytes = new Uint8Array();
  for (let level = 0; level < depth; level += 1) bytes = new Uint8Array(sequence(bytes));
  return bytes;
}

/** All hostile inputs. */
export function hostileInputs(): readonly HostileInput[] {
  const hierarchy = createTdxHierarchy();
  const quote = hierarchy.quote(healthyTdReport());
  const request = (changes: Partial<TdxVerifyRequest>): TdxVerifyRequest => ({
    quote,
    endorsements: hierarchy.endorsements,
    options: {
      now: unixMillis(TDX_NOW_MS),
      crypto: testCrypto,
      roots: { production: [], development: [hierarchy.fingerprint] },
      expectedReportData: new Uint8Array(64),
      referenceValues: parseTdxReferenceValues(referenceJsonFor(quote), ''),
    },
    ...changes,
  });
  const crl = largeCrl();
  const event = { register: 1, type: 0x0d, data: new Uint8Array(64) };
  const eventLog = serializeEventLog(Array.from({ length: EVENT_LOG_EVENTS }, () => event));
  const withPart = (part: object): unknown =>
    verifyTdx(request({ endorsements: { ...hierarchy.endorsements, ...part } }));
  const begin = '-----BEGIN CERTIFICATE-----\n';
  const block = `${begin}AAAA\n-----END CERTIFICATE-----\n`;
  const document = noise(COLLATERAL_DOCUMENT_BYTES_MAX);
  const evidence = noise(EVIDENCE_BYTES_MAX);
  const quoteNoise = noise(TDX_QUOTE_BYTES_MAX);
  const fullEvidence = largest(quote, crl);
  const sequences = nested(2000);
  const certificateNoise = noise(8192);
  const chainNoise = noise(PEM_BYTES_MAX);
  const longQuote = concatBytes(quote, noise(TDX_QUOTE_BYTES_MAX - quote.byteLength));
  return [
    { name: 'a revocation list of 4 MiB', run: () => withPart({ rootCrl: crl }) },
    { name: 'a revocation list for PCKs of 4 MiB', run: () => withPart({ pckCrl: crl }) },
    { name: 'a quote of noise', run: () => parseTdxQuote(quoteNoise) },
    {
      name: 'a quote behind which much follows',
      run: () => verifyTdx(request({ quote: longQuote })),
    },
    { name: 'sequences in sequences', run: () => parseCertificate(sequences) },
    { name: 'a certificate of noise', run: () => parseCertificate(certificateNoise) },
    {
      name: 'PEM that only begins',
      run: () => parsePem(begin.repeat(PEM_BYTES_MAX / begin.length)),
    },
    { name: 'PEM of many blocks', run: () => parsePem(block.repeat(PEM_BYTES_MAX / block.length)) },
    { name: 'PEM of blank lines', run: () => parsePem('\r\n'.repeat(PEM_BYTES_MAX / 2)) },
    { name: 'a chain of noise', run: () => withPart({ tcbInfoIssuerChain: chainNoise }) },
    ...hostileDocuments(document),
    {
      name: 'TCB info of 1 MiB, unsigned',
      run: () => withPart({ tcbInfo: document }),
    },
    {
      name: 'a certificate table of entries',
      run: () => parseCertificateTable(new Uint8Array(64 * 1024).fill(1)),
    },
    {
      name: 'an event log of as many events as are read',
      run: () => replayEventLog(parseEventLog(eventLog), testCrypto),
    },
    { name: 'evidence of noise', run: () => decodeEvidence(evidence) },
    {
      name: 'evidence with everything at its limit',
      run: () => decodeEvidence(fullEvidence),
    },
    { name: 'evidence against 200 entries', run: () => againstMany(quote, hierarchy.endorsements) },
  ];
}

/** Documents that nobody signed, given to their readers as they are. */
function hostileDocuments(document: Uint8Array): readonly HostileInput[] {
  const objects = `{"id":"TDX","version":3,"tcbLevels":[${'{},'.repeat(300_000)}{}]}`;
  const brackets = text('['.repeat(1 << 20));
  const closedBrackets = text('['.repeat(1 << 19) + ']'.repeat(1 << 19));
  const manyLevels = text(objects);
  const fewerLevels = text(objects.replace('{},'.repeat(300_000), '{},'.repeat(65_000)));
  const names = Array.from({ length: 16_000 }, (_, at) => `"n${at}":0`);
  const manyNames = text(`{${names.join()}}`);
  const tooManyNames = text(`{${names.join()},${names.join()}}`);
  const escapes = text(`{"id":"${'\\u0041'.repeat(174_000)}"}`);
  const longNumber = text('9'.repeat(1 << 20));
  const objectsInObjects = text('{"a":'.repeat(1 << 17));
  return [
    { name: 'TCB info of noise', run: () => parseTcbInfo(document) },
    { name: 'TCB info of brackets', run: () => parseTcbInfo(brackets) },
    {
      name: 'TCB info of closed brackets',
      run: () => parseTcbInfo(closedBrackets),
    },
    { name: 'TCB info of many levels', run: () => parseTcbInfo(manyLevels) },
    { name: 'TCB info of as many levels as are read', run: () => parseTcbInfo(fewerLevels) },
    { name: 'TCB info of many names', run: () => parseTcbInfo(manyNames) },
    { name: 'TCB info of too many names', run: () => parseTcbInfo(tooManyNames) },
    { name: 'TCB info of escapes', run: () => parseTcbInfo(escapes) },
    { name: 'TCB info of one long number', run: () => parseTcbInfo(longNumber) },
    { name: 'a QE identity of objects', run: () => parseQeIdentity(objectsInObjects) },
  ];
}

function largest(quote: Uint8Array, crl: Uint8Array): Uint8Array {
  const document = noise(COLLATERAL_DOCUMENT_BYTES_MAX);
  const chain = noise(PEM_BYTES_MAX);
  return encodeEvidence({
    kind: 'tdx',
    quote,
    endorsements: {
      rootCrl: crl,
      pckCrl: crl,
      tcbInfo: document,
      qeIdentity: document,
      tcbInfoIssuerChain: chain,
      qeIdentityIssuerChain: chain,
    },
  });
}

function againstMany(quote: Uint8Array, endorsements: TdxVerifyRequest['endorsements']): unknown {
  const entries = Array.from({ length: 200 }, (_, at) =>
    parseReferenceValues(
      { ...referenceJsonFor(quote), mrTd: [toHex(new Uint8Array(48).fill(at))] },
      '',
    ),
  );
  return appraise({ kind: 'tdx', quote, endorsements }, entries, {
    now: unixMillis(TDX_NOW_MS),
    crypto: testCrypto,
    expectedReportData: new Uint8Array(64),
    revocation: 'required',
    developmentRoots: 'as-listed',
  });
}

/** Bytes without a pattern, the same each time. */
function noise(byteLength: number): Uint8Array {
  let state = 0x2545f491;
  return Uint8Array.from({ length: byteLength }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
}
