/**
 * A state with real keys and signatures, for tests of what is built on it. Nothing shipped imports
 * this.
 */
export { approvalOf, nodeCrypto, parseReferenceValues, signWith } from './keys.ts';
export { changeSlots, historyKey, key, manifestBytes, owner, setManifest } from './support.ts';
export { AuditLog } from '../src/audit-log.ts';
export { LeafWindow } from '../src/leaf-window.ts';
