/** What may enter this package is listed in packages/core/README.md. */
export * from './assert.ts';
export * from './bytes.ts';
export * from './canonical.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './ports.ts';
export * from './secret.ts';
