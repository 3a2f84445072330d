/**
 * The host's certificate table (GHCB specification, SNP extended guest request): 24-byte entries of
 * GUID, offset and length, an all-zero entry, then the certificates.
 */
import { fromHex } from '@witan/core';

/** GUIDs in text order, as Linux guests and go-sev-guest read them. */
const GUIDS = {
  vcek: '63da758de6644564adc5f4b93be8accd',
  ask: '4ab7b379bbac4fe4a02f05aef327c782',
  ark: 'c0b406a4a803495297433fb6014cd0ae',
} as const;

const ENTRY_BYTES = 24;

/** DER certificates of a table. */
export interface TableCertificates {
  readonly vcek?: Uint8Array;
  readonly ask: Uint8Array;
  readonly ark: Uint8Array;
}

export function certificateTable(certificates: TableCertificates): Uint8Array {
  const entries = (['vcek', 'ask', 'ark'] as const).flatMap((name) => {
    const blob = certificates[name];
    return blob === undefined ? [] : [{ guid: fromHex(GUIDS[name]), blob }];
  });
  const headerBytes = (entries.length + 1) * ENTRY_BYTES;
  const blobBytes = entries.reduce((sum, { blob }) => sum + blob.byteLength, 0);
  const table = new Uint8Array(headerBytes + blobBytes);
  const view = new DataView(table.buffer);
  let offset = headerBytes;
  for (const [index, { guid, blob }] of entries.entries()) {
    const at = index * ENTRY_BYTES;
    table.set(guid, at);
    view.setUint32(at + 16, offset, true);
    view.setUint32(at + 20, blob.byteLength, true);
    table.set(blob, offset);
    offset += blob.byteLength;
  }
  return table;
}
