/** Bugs to plant, at least one in each parser. A fuzzer that does not find them finds nothing. */

/** One bug: a text of the sources that occurs once, and what takes its place. */
export interface PlantedBug {
  readonly name: string;
  /** The target that must notice it. */
  readonly target: string;
  /** Below `src`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Bugs of one round are planted together: no target of the round meets the bug of another. */
  readonly round: 1 | 2;
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'reserved bytes of a report are not looked at',
    target: 'snp report',
    file: 'snp/report.ts',
    from: 'reservedRanges(version)) {\n',
    to: 'reservedRanges(version).slice(5)) {\n',
    round: 1,
  },
  {
    name: 'bytes behind the certification data are skipped',
    target: 'tdx quote',
    file: 'tdx/quote.ts',
    from: '  certification.end();\n',
    to: '',
    round: 1,
  },
  {
    name: 'a quote is read beyond its end',
    target: 'tdx quote',
    file: 'tdx/quote.ts',
    from: '    if (length > left) {',
    to: '    if (length > left + 1) {',
    round: 2,
  },
  {
    name: 'lengths need not be minimal',
    target: 'certificate',
    file: 'der/reader.ts',
    from: 'if (length < 0x80 || length < 256 ** (octets - 1)) throw',
    to: 'if (length < 0) throw',
    round: 2,
  },
  {
    name: 'bytes behind an entry of a revocation list are skipped',
    target: 'revocation list',
    file: 'x509/crl.ts',
    from: '  const serial = readUnsignedHex(entry);\n',
    to: '  const serial = entry.any().content.length.toString(16);\n',
    round: 1,
  },
  {
    name: 'wrong base64 is thrown on as it comes',
    target: 'pem',
    file: 'x509/pem.ts',
    from: '    if (!(error instanceof BytesError)) throw error;\n',
    to: '    throw error;\n',
    round: 1,
  },
  {
    name: 'components may have 16 bits',
    target: 'tcb info',
    file: 'tdx/collateral.ts',
    from: "component.integer('svn', 255)",
    to: "component.integer('svn', 65536)",
    round: 1,
  },
  {
    name: 'the product id may have 32 bits',
    target: 'qe identity',
    file: 'tdx/collateral.ts',
    from: "reader.integer('isvprodid', 0xffff)",
    to: "reader.integer('isvprodid', 0xffffffff)",
    round: 1,
  },
  {
    name: 'a certificate may go on behind the table',
    target: 'certificate table',
    file: 'snp/certificate-table.ts',
    from: '    if (offset + length > bytes.byteLength) {',
    to: '    if (offset > bytes.byteLength) {',
    round: 1,
  },
  {
    name: 'a malformed SGX extension has the code of DER',
    target: 'pck extension',
    file: 'tdx/pck.ts',
    from: "    throw new AttestationError('TDX_PCK_EXTENSIONS', { reason: error.code }, error);",
    to: '    throw error;',
    round: 1,
  },
  {
    name: 'bytes behind the evidence are skipped',
    target: 'evidence',
    file: 'evidence.ts',
    from: '    reader.end();\n',
    to: '',
    round: 1,
  },
];
