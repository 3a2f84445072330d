/**
 * Assertions for invariants of this code. They stay on in production, and a violated one ends the
 * process. Input from outside must be checked with typed errors instead: it can never get here
 * (I10).
 */

/** Thrown when the program is wrong. Nothing catches it but the outermost handler, which exits. */
export class InvariantViolation extends Error {
  override readonly name: string = 'InvariantViolation';
}

/**
 * @param condition what must hold
 * @param invariant what is claimed, in constant words, with the invariant's number where there is
 * one
 * @throws InvariantViolation when the condition is false
 */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new InvariantViolation(`invariant violated: ${invariant}`);
}

/** Marks a branch that the type system has ruled out; makes `switch` statements exhaustive. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable value: ${String(value)}`);
}
