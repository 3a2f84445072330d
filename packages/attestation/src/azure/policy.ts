/**
 * Genuine Azure evidence against reference values and against what the verifier asked for. All
 * checks are made, so that a person sees everything that has to change at once.
 */
import { fromHex, toHex, type Crypto } from '@witan/core';
import type { CheckList } from '../check-list.ts';
import type { Claims } from '../claims.ts';
import type { AzureClaims } from './claims.ts';
import type { AzureDemands } from './reference-values.ts';

/** What evidence must carry to be fresh. */
export interface AzureExpectation {
  /** Qualifying data of the quote, at most as long as the vTPM takes. */
  readonly nonce: Uint8Array;
  /** The 64 bytes in the paravisor's document. Default: not compared. */
  readonly userData?: Uint8Array;
}

/** Register that Confidential Containers extends with the digest of the init data. */
const INIT_DATA_PCR = 8;

/**
 * What 64 bytes of report data become here: a vTPM takes no 64 bytes as nonce, so the quote is over
 * their SHA-256; and they stand in full in the paravisor's document.
 */
export function azureExpectationOf(reportData: Uint8Array, crypto: Crypto): AzureExpectation {
  return { nonce: crypto.hash('sha256', reportData), userData: reportData };
}

/** Nonce and user data alone: they can be compared without reference values. */
export function judgeAzureFreshness(
  { nonce, userData }: Pick<AzureClaims, 'nonce' | 'userData'>,
  expected: AzureExpectation,
  checks: CheckList,
): void {
  const expectedNonce = toHex(expected.nonce);
  checks.judge('AZURE_NONCE', nonce === expectedNonce, expectedNonce, nonce);
  if (expected.userData === undefined) return;
  const wanted = toHex(expected.userData);
  checks.judge('AZURE_USER_DATA', userData === wanted, wanted, userData ?? 'none');
}

/** Makes every check of the reference values on paravisor and vTPM. */
export function judgeAzure(
  claims: Claims,
  demands: AzureDemands,
  expected: AzureExpectation,
  crypto: Crypto,
  checks: CheckList,
): void {
  const { azure } = claims;
  if (azure === undefined) return;
  judgeAzureFreshness(azure, expected, checks);
  const values = new Map(claims.measurements.map(({ name, value }) => [name, value]));
  if (demands.pcrs === 'any') {
    checks.note('register-unchecked', 'no register of the vTPM was compared');
  } else {
    for (const [pcr, allowed] of Object.entries(demands.pcrs)) {
      const found = values.get(`pcr${pcr}`);
      const passed = found !== undefined && allowed.includes(found);
      const wanted = `PCR ${pcr} ${allowed.join(' or ')}`;
      checks.judge('AZURE_PCR', passed, wanted, `PCR ${pcr} ${found ?? 'not quoted'}`);
    }
  }
  if (demands.initData !== undefined) {
    const extended = crypto.hash('sha256', new Uint8Array(32), fromHex(demands.initData));
    const found = values.get(`pcr${INIT_DATA_PCR}`);
    const wanted = toHex(extended);
    checks.judge('AZURE_INIT_DATA', found === wanted, wanted, found ?? 'not quoted');
  }
  judgeConfiguration(azure, demands, checks);
}

/** What the paravisor does not say counts as off. */
function judgeConfiguration(
  { vmConfiguration }: AzureClaims,
  demands: AzureDemands,
  checks: CheckList,
): void {
  if (!demands.secureBoot) return;
  const found = vmConfiguration['secure-boot'];
  checks.judge('AZURE_SECURE_BOOT', found === true, true, found ?? 'nothing');
}
