/**
 * Histories of concurrent calls on a replicated object, and the sequential objects that they are
 * compared with. Plain values: anything that can record calls and returns can build them.
 */

/** One call. Times order events within a history; equal times count as concurrent. */
export interface Operation<Input, Output> {
  readonly client: number;
  readonly input: Input;
  readonly calledAt: number;
  /** Absent when the outcome is not known: it took effect at any time after the call, or never. */
  readonly returned?: { readonly at: number; readonly output: Output };
}

/** A sequential object. States are strings, so that they can be compared and remembered. */
export interface Model<Input, Output> {
  readonly initial: string;
  /**
   * @param output absent when the outcome is not known; any is then allowed
   * @returns the state after the operation, or undefined when the object cannot answer so
   */
  step(state: string, input: Input, output: Output | undefined): string | undefined;
  /** Independent parts: a history is linearizable exactly when each part is (Herlihy and Wing). */
  keyOf(input: Input): string;
  /** Whether an operation changes nothing; one with an unknown outcome is then left out. */
  isRead(input: Input): boolean;
}

/** What a client of the key-value store asks for. */
export type KvInput =
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'append'; readonly key: string; readonly value: string };

/** A string for each key, at first empty. `get` answers the string, the others answer ''. */
export const kvModel: Model<KvInput, string> = {
  initial: '',
  step: (state, input, output) => {
    switch (input.kind) {
      case 'get':
        return output === undefined || output === state ? state : undefined;
      case 'put':
        return input.value;
      case 'append':
        return state + input.value;
      default:
        return input satisfies never;
    }
  },
  keyOf: (input) => input.key,
  isRead: (input) => input.kind === 'get',
};

/** What a client of a register asks for. Values are text; `nil` is what one holds at first. */
export type RegisterInput =
  | { readonly kind: 'read'; readonly key: string }
  | { readonly kind: 'write'; readonly key: string; readonly value: string }
  | { readonly kind: 'cas'; readonly key: string; readonly from: string; readonly to: string };

/** A register for each key. `read` answers the value, `cas` answers `ok` or `fail`. */
export const registerModel: Model<RegisterInput, string> = {
  initial: 'nil',
  step: (state, input, output) => {
    switch (input.kind) {
      case 'read':
        return output === undefined || output === state ? state : undefined;
      case 'write':
        return input.value;
      case 'cas': {
        const isSwapped = state === input.from;
        if (output !== undefined && (output === 'ok') !== isSwapped) return undefined;
        return isSwapped ? input.to : state;
      }
      default:
        return input satisfies never;
    }
  },
  keyOf: (input) => input.key,
  isRead: (input) => input.kind === 'read',
};
