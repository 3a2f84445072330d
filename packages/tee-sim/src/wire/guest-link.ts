/**
 * What a guest and its hardware say to each other over the inherited socket: one request per line,
 * answered in order.
 */

/** Environment variable with the number of the inherited socket. */
export const TSM_FD_VARIABLE = 'WITAN_SIM_TSM_FD';
/** Environment variable with the number of the descriptor that closes when the host goes. */
export const POWER_FD_VARIABLE = 'WITAN_SIM_POWER_FD';
/** Environment variable with the path of the initdata that the guest was launched with. */
export const INITDATA_VARIABLE = 'WITAN_INITDATA';

/** Limit of one request or answer in bytes; reports, tables and collateral are below 64 KiB. */
export const LINK_LINE_BYTES_MAX: number = 128 * 1024;
/** Requests that a guest may have unanswered. */
export const LINK_REQUESTS_MAX = 64;

/** Bytes are base64. `endorsements` stands for asking the vendor's key distribution service. */
export type LinkRequest =
  | { readonly op: 'mkdir' | 'rmdir' | 'read'; readonly path: string }
  | { readonly op: 'write'; readonly path: string; readonly data: string }
  | { readonly op: 'endorsements' };

export type LinkAnswer =
  | { readonly kind: 'done' }
  | { readonly kind: 'data'; readonly data: string }
  | { readonly kind: 'errno'; readonly errno: string }
  | { readonly kind: 'endorsements'; readonly parts: Readonly<Record<string, string>> };
