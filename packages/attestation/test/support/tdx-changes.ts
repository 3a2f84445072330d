/** Ways to make a TDX verification differ from a healthy one. */
import { generateKeyPairSync } from 'node:crypto';
import {
  endEntity,
  extension,
  p256Key,
  pckExtension,
  pemOf,
  utf8String,
  type P256Key,
  type TdxHierarchy,
} from '../../testing/index.ts';
import { type TdxChanges } from './tdx-scene.ts';

export const stranger = p256Key();
export const p384: P256Key = generateKeyPairSync('ec', { namedCurve: 'P-384' });
export const other48 = new Uint8Array(48).fill(0x77);
export const zeros = { teeTcbSvn2: undefined, mrServiceTd: undefined } as const;
export const critical = extension('1.2.3.4', utf8String('?'), true);
export const svn = (...first: readonly number[]): Uint8Array =>
  Uint8Array.from({ length: 16 }, (_, index) => first[index] ?? 0);

export const at =
  (offset: number, ...values: readonly number[]) =>
  (quote: Uint8Array): Uint8Array => {
    const changed = Uint8Array.from(quote);
    changed.set(values, offset);
    return changed;
  };
/** Where the parts of a quote of version 5 with a body of TDX 1.5 begin. */
export const P = 48 + 6 + 648;
export const resized =
  (offset: number, by: number) =>
  (quote: Uint8Array): Uint8Array => {
    const view = new DataView(Uint8Array.from(quote).buffer);
    view.setUint32(offset, view.getUint32(offset, true) + by, true);
    return new Uint8Array(view.buffer);
  };

/** A TCB info that says something else; signed again. */
export const tcbInfo = (fields: Readonly<Record<string, unknown>>): TdxChanges => ({
  hierarchy: { tcbInfo: fields },
});
export const qeIdentity = (fields: Readonly<Record<string, unknown>>): TdxChanges => ({
  hierarchy: { qeIdentity: fields },
});
export const sixteen = (...svns: readonly number[]): readonly object[] =>
  Array.from({ length: 16 }, (_, index) => ({ svn: svns[index] ?? 0 }));
export const level = (
  tcbStatus: string,
  extra: object = {},
  tdx: readonly number[] = [],
): object => ({
  tcb: { sgxtcbcomponents: sixteen(), pcesvn: 0, tdxtcbcomponents: sixteen(...tdx) },
  tcbDate: '2025-02-11T00:00:00Z',
  tcbStatus,
  ...extra,
});
export const rated = (tcbStatus: string, extra: object = {}): TdxChanges =>
  tcbInfo({ tcbLevels: [level(tcbStatus, extra)] });
export const sgxExtension = (
  changes: Readonly<Record<string, unknown>>,
): Readonly<Record<'pck', { extensions: readonly Uint8Array[] }>> => ({
  pck: {
    extensions: [
      ...endEntity(),
      pckExtension({
        fmspc: '00806f050000',
        pceId: '0000',
        components: Array.from({ length: 16 }, () => 9),
        pceSvn: 11,
        platformInstanceId: 'a1'.repeat(16),
        dynamicPlatform: true,
        cachedKeys: false,
        smtEnabled: true,
        ...changes,
      }),
    ],
  },
});
export const chainOf = (...names: readonly (keyof TdxHierarchy['certificates'])[]): TdxChanges => ({
  quote: ({ certificates }) => ({ pckChain: pemOf(...names.map((name) => certificates[name])) }),
});
