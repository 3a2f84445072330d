/**
 * A parsed quote in the words of the vectors' index files.
 */
import { readPckExtensions, type TdxQuote } from '../src/index.ts';
import { isAllZero, toHex } from '@witan/core';
import type { Json } from './json.ts';
import { pckChainOf } from './tdx-signatures.ts';

/** The TD report. */
export function decodedTd({ body }: TdxQuote): Json {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = body.rtmrs.map(toHex);
  return {
    debug: (body.tdAttributes & 1n) === 1n,
    td_attributes: `0x${body.tdAttributes.toString(16)}`,
    xfam: `0x${body.xfam.toString(16).padStart(16, '0')}`,
    tee_tcb_svn: toHex(body.teeTcbSvn),
    mr_td: toHex(body.mrTd),
    mr_seam: toHex(body.mrSeam),
    mr_signer_seam_zero: isAllZero(body.mrSignerSeam),
    mr_config_id: toHex(body.mrConfigId),
    mr_owner: toHex(body.mrOwner),
    mr_owner_config: toHex(body.mrOwnerConfig),
    rtmr0,
    rtmr1,
    rtmr2,
    rtmr3,
    report_data: toHex(body.reportData),
    tee_tcb_svn2: body.teeTcbSvn2 === undefined ? undefined : toHex(body.teeTcbSvn2),
    mr_service_td: body.mrServiceTd === undefined ? undefined : toHex(body.mrServiceTd),
  };
}

/** The quoting enclave's report. */
export function decodedQe({ qeReport }: TdxQuote): Json {
  return {
    isvSvn: qeReport.isvSvn,
    isvProdId: qeReport.isvProdId,
    mrSigner: toHex(qeReport.mrSigner),
    attributes: toHex(qeReport.attributes),
  };
}

/** The PCK certificate's extension. */
export function decodedPck(quote: TdxQuote): Json {
  const [leaf] = pckChainOf(quote);
  if (leaf === undefined) return {};
  const pck = readPckExtensions(leaf);
  const flags = [pck.dynamicPlatform, pck.cachedKeys, pck.smtEnabled];
  return {
    fmspc: pck.fmspc,
    pce_id: pck.pceId,
    pce_svn: pck.pceSvn,
    tcb_components: pck.components.join(','),
    sgx_type: pck.sgxType,
    config: flags.map((flag, index) => `${index + 1}:${String(flag)}`).join(','),
  };
}
