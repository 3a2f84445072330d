/**
 * Bits of policies and attributes by their vendors' names. The verifier has its own table of those
 * that it judges; this one also names the rest, for people.
 */

/** Names by bit number. */
export type BitNames = Readonly<Record<number, string>>;

/** A 64-bit field taken apart. */
export interface DescribedBits {
  readonly set: readonly string[];
  readonly clear: readonly string[];
  /** Numbers of bits that are set and have no name here. */
  readonly unknown: readonly number[];
}

/** Width of a list of names. */
const LINE_CHARS_MAX = 64;

/** Guest policy of SEV-SNP (AMD document 56860, GUEST_POLICY); bits 15:0 are the ABI. */
export const GUEST_POLICY_NAMES: BitNames = {
  16: 'SMT allowed',
  17: 'reserved, must be one',
  18: 'MIGRATE_MA allowed',
  19: 'DEBUG allowed',
  20: 'SINGLE_SOCKET required',
  21: 'CXL allowed',
  22: 'MEM_AES_256_XTS required',
  23: 'RAPL_DIS required',
  24: 'CIPHERTEXT_HIDING_DRAM required',
  25: 'PAGE_SWAP_DISABLE',
};

/** PLATFORM_INFO (AMD document 56860). */
export const PLATFORM_INFO_NAMES: BitNames = {
  0: 'SMT enabled',
  1: 'TSME enabled',
  2: 'ECC memory',
  3: 'RAPL disabled',
  4: 'ciphertext hiding enabled',
  5: 'alias check complete',
  7: 'SEV-TIO enabled',
};

/** TDATTRIBUTES (Intel TDX module base architecture specification). */
export const TD_ATTRIBUTE_NAMES: BitNames = {
  0: 'DEBUG',
  4: 'HGS_PLUS_PROF',
  5: 'PERF_PROF',
  6: 'PMT_PROF',
  16: 'ICSSD',
  27: 'LASS',
  28: 'SEPT_VE_DISABLE',
  29: 'MIGRATABLE',
  30: 'PKS',
  31: 'KL',
  62: 'TPA',
  63: 'PERFMON',
};

/** XFAM: state components as in XCR0 and IA32_XSS (Intel SDM volume 1, section 13.1). */
export const XFAM_NAMES: BitNames = {
  0: 'x87',
  1: 'SSE',
  2: 'AVX',
  5: 'AVX-512 opmask',
  6: 'AVX-512 ZMM_Hi256',
  7: 'AVX-512 Hi16_ZMM',
  8: 'PT',
  9: 'PKRU',
  10: 'PASID',
  11: 'CET user',
  12: 'CET supervisor',
  13: 'HDC',
  14: 'UINTR',
  15: 'LBR',
  16: 'HWP',
  17: 'AMX TILECFG',
  18: 'AMX TILEDATA',
  19: 'APX',
};

/** @param from bits below it are no flags */
export function describeBits(value: bigint, names: BitNames, from = 0): DescribedBits {
  const set: string[] = [];
  const clear: string[] = [];
  const unknown: number[] = [];
  for (let bit = from; bit < 64; bit += 1) {
    const name = names[bit];
    const isSet = ((value >> BigInt(bit)) & 1n) === 1n;
    if (name === undefined) {
      if (isSet) unknown.push(bit);
    } else (isSet ? set : clear).push(`${name} (bit ${bit})`);
  }
  return { set, clear, unknown };
}

/** The same as lines of text. */
export function bitLines({ set, clear, unknown }: DescribedBits): readonly string[] {
  return [
    ...set.map((name) => `set    ${name}`),
    ...unknown.map((bit) => `set    UNKNOWN (bit ${bit})`),
    ...wrapped(clear).map((line, index) => `${index === 0 ? 'clear' : '     '}  ${line}`),
  ];
}

function wrapped(words: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 2 > LINE_CHARS_MAX) lines.push(word);
    else lines[lines.length - 1] = `${last}, ${word}`;
  }
  return lines;
}
