/** Vendors and a mirror of theirs, for tests and drills. Nothing shipped imports this. */
export * from './mirror.ts';
export * from './vendors.ts';
