/**
 * Judging hardware evidence: a pure function of evidence, endorsements, reference values and a time.
 */
export * from './appraise.ts';
export * from './claims.ts';
export * from './errors.ts';
export * from './evidence.ts';
export * from './limits.ts';
export * from './reference-values.ts';
export * from './snp/claims.ts';
export * from './snp/flags.ts';
export * from './snp/layout.ts';
export * from './snp/options.ts';
export * from './snp/product.ts';
export * from './snp/reference-values.ts';
export * from './snp/report.ts';
export * from './snp/roots.ts';
export * from './snp/tcb.ts';
