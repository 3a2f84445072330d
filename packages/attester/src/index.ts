/** Obtain evidence. No simulation code lives here: see `@witan/tee-sim`. */
export { nodeImds, type Imds, type ImdsRequest, type ImdsResponse } from './azure/imds.ts';
export * from './azure/provider.ts';
export * from './azure/tpm-device.ts';
export * from './detect.ts';
export * from './endorsement-source.ts';
export { AttesterError, type AttesterErrorCode } from './errors.ts';
export { nodeTsmFileSystem, type TsmFileSystem } from './file-system.ts';
export * from './provider.ts';
export { REPORT_DATA_BYTES } from './report-data.ts';
export type { RetryOptions } from './retry.ts';
export { readLocalConfigId, TD_CONFIG_ID_PATH } from './td-measurements.ts';
export * from './tsm-provider.ts';
