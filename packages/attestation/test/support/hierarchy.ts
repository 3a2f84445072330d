/** The hierarchy of SEV-SNP that the tests of this package share with others. */
export * from '../../testing/snp-hierarchy.ts';
