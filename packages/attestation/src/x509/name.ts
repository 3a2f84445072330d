/**
 * Distinguished names. They are compared by their bytes; the common name is taken out for people
 * and for AMD's rules, which name products there.
 */
import { DER_TAG, type DerReader } from '../der/reader.ts';
import { readOid, textOf } from '../der/values.ts';

const OID_COMMON_NAME = '2.5.4.3';
const ATTRIBUTES_MAX = 32;

/** A name: its DER and its common name, when there is exactly one. */
export interface DistinguishedName {
  readonly der: Uint8Array;
  readonly commonName: string | undefined;
}

/** Reads a Name (RFC 5280 section 4.1.2.4). */
export function readName(reader: DerReader): DistinguishedName {
  const value = reader.value(DER_TAG.sequence);
  const sets = reader.within(value.content);
  const commonNames: string[] = [];
  for (let count = 0; !sets.atEnd && count < ATTRIBUTES_MAX; count += 1) {
    const attributes = sets.inside(DER_TAG.set);
    while (!attributes.atEnd) {
      const attribute = attributes.sequence();
      const oid = readOid(attribute);
      const text = attribute.any();
      attribute.end();
      if (oid === OID_COMMON_NAME) commonNames.push(textOf(text));
    }
  }
  sets.end();
  const [commonName, second] = commonNames;
  return { der: value.raw, commonName: second === undefined ? commonName : undefined };
}
