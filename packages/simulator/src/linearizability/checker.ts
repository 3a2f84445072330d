/**
 * Decides whether a history is linearizable: the algorithm of Wing and Gong with Lowe's memory of
 * visited configurations ("Testing for linearizability", 2017), on each independent part of the
 * history by itself (Horn and Kroening, 2015). Iterative, and bounded by a number of steps.
 */
import type { Model, Operation } from './history.ts';

/** Whether a history is linearizable. */
export type Verdict =
  | { readonly kind: 'linearizable'; readonly steps: number }
  | {
      readonly kind: 'illegal';
      readonly steps: number;
      /** The part that has no order. */
      readonly key: string;
      /**
       * Most operations of that part that could be put in an order, as positions in the history.
       */
      readonly longest: readonly number[];
      /** The operation that nothing allowed to return, as a position in the history. */
      readonly blocked: number;
    }
  /** The steps were used up. */
  | { readonly kind: 'unknown'; readonly steps: number; readonly key: string };

/** Bounds of a check. */
export interface CheckOptions {
  /** Steps of the search over the whole history. Default 5 million, some seconds. */
  readonly stepsMax?: number;
}

/** Checks a history. Never throws on one that can be written down. */
export function checkLinearizable<Input, Output>(
  model: Model<Input, Output>,
  history: readonly Operation<Input, Output>[],
  options: CheckOptions = {},
): Verdict {
  const stepsMax = options.stepsMax ?? 5_000_000;
  let steps = 0;
  for (const [key, positions] of partition(model, history)) {
    const part = new Search(model, history, positions).run(stepsMax - steps);
    steps += part.steps;
    if (part.kind === 'unknown') return { kind: 'unknown', steps, key };
    if (part.kind === 'illegal') {
      return { kind: 'illegal', steps, key, longest: part.longest, blocked: part.blocked };
    }
  }
  return { kind: 'linearizable', steps };
}

function partition<Input, Output>(
  model: Model<Input, Output>,
  history: readonly Operation<Input, Output>[],
): ReadonlyMap<string, readonly number[]> {
  const parts = new Map<string, number[]>();
  history.forEach((operation, position) => {
    if (operation.returned === undefined && model.isRead(operation.input)) return;
    const key = model.keyOf(operation.input);
    const part = parts.get(key);
    if (part === undefined) parts.set(key, [position]);
    else part.push(position);
  });
  return parts;
}

/** A call or a return in the doubly linked list of what is not yet in the order. */
interface Event {
  readonly operation: number;
  readonly isCall: boolean;
  readonly at: number;
  /** The return that belongs to a call. */
  match: Event | undefined;
  previous: Event | undefined;
  next: Event | undefined;
}

type PartVerdict =
  | { readonly kind: 'linearizable' | 'unknown'; readonly steps: number }
  | {
      readonly kind: 'illegal';
      readonly steps: number;
      readonly longest: readonly number[];
      readonly blocked: number;
    };

class Search<Input, Output> {
  readonly #model: Model<Input, Output>;
  readonly #operations: readonly Operation<Input, Output>[];
  readonly #positions: readonly number[];
  readonly #head: Event;
  readonly #known: number;
  /**
   * Configurations that were tried: which operations are in the order, and the state after them.
   */
  readonly #visited = new Set<string>();
  /** Small numbers for states, which may be long: each is kept once. */
  readonly #stateIds = new Map<string, number>();
  readonly #order: { readonly call: Event; readonly stateBefore: string }[] = [];
  readonly #included: Uint16Array;
  #state: string;
  #knownIncluded = 0;
  #longest: readonly number[] = [];
  #blocked = -1;

  constructor(
    model: Model<Input, Output>,
    history: readonly Operation<Input, Output>[],
    positions: readonly number[],
  ) {
    this.#model = model;
    this.#positions = positions;
    this.#operations = positions.map((position) => history[position] as Operation<Input, Output>);
    this.#known = this.#operations.filter(({ returned }) => returned !== undefined).length;
    this.#included = new Uint16Array(Math.ceil(positions.length / 16));
    this.#head = listOf(this.#operations);
    this.#state = model.initial;
  }

  run(stepsMax: number): PartVerdict {
    let steps = 0;
    let event = this.#head.next;
    // What is open for ever may stay out of the order: only operations that returned must be in.
    while (this.#knownIncluded < this.#known) {
      steps += 1;
      if (steps > stepsMax) return { kind: 'unknown', steps };
      const mustGoBack = event === undefined || !event.isCall;
      if (!mustGoBack) {
        event = this.#tryInclude(event as Event) ? this.#head.next : (event as Event).next;
        continue;
      }
      this.#remember(event);
      const last = this.#order.pop();
      if (last === undefined) {
        return { kind: 'illegal', steps, longest: this.#longest, blocked: this.#blocked };
      }
      this.#exclude(last.call, last.stateBefore);
      event = last.call.next;
    }
    return { kind: 'linearizable', steps };
  }

  /** @returns whether the call can come next and leads where the search has not been */
  #tryInclude(call: Event): boolean {
    const operation = this.#operations[call.operation] as Operation<Input, Output>;
    const { returned } = operation;
    const state = this.#model.step(this.#state, operation.input, returned?.output);
    if (state === undefined) return false;
    this.#toggle(call.operation);
    const configuration = this.#configurationWith(state);
    if (this.#visited.has(configuration)) {
      this.#toggle(call.operation);
      return false;
    }
    this.#visited.add(configuration);
    this.#order.push({ call, stateBefore: this.#state });
    this.#state = state;
    if (returned !== undefined) this.#knownIncluded += 1;
    unlink(call);
    if (call.match !== undefined) unlink(call.match);
    return true;
  }

  /** Exact, and short: what comes before the first gap and behind the last one is left out. */
  #configurationWith(state: string): string {
    const words = this.#included;
    let from = 0;
    while (words[from] === 0xffff) from += 1;
    let to = words.length;
    while (to > from && words[to - 1] === 0) to -= 1;
    return `${this.#idOf(state)}|${String.fromCharCode(from, ...words.subarray(from, to))}`;
  }

  #idOf(state: string): number {
    const known = this.#stateIds.get(state);
    if (known !== undefined) return known;
    this.#stateIds.set(state, this.#stateIds.size);
    return this.#stateIds.size - 1;
  }

  #exclude(call: Event, stateBefore: string): void {
    this.#toggle(call.operation);
    this.#state = stateBefore;
    if (call.match !== undefined) {
      this.#knownIncluded -= 1;
      relink(call.match);
    }
    relink(call);
  }

  #toggle(operation: number): void {
    const word = operation >> 4;
    this.#included[word] = (this.#included[word] ?? 0) ^ (1 << (operation & 15));
  }

  #remember(event: Event | undefined): void {
    if (this.#blocked >= 0 && this.#order.length <= this.#longest.length) return;
    this.#longest = this.#order.map(({ call }) => this.#positions[call.operation] ?? -1);
    if (event !== undefined) this.#blocked = this.#positions[event.operation] ?? -1;
  }
}

/** Calls before returns at the same time, so that equal times count as concurrent. */
function listOf<Input, Output>(operations: readonly Operation<Input, Output>[]): Event {
  const events: Event[] = [];
  operations.forEach(({ calledAt, returned }, operation) => {
    const links = { match: undefined, previous: undefined, next: undefined };
    const call: Event = { operation, isCall: true, at: calledAt, ...links };
    events.push(call);
    if (returned === undefined) return;
    const back: Event = { operation, isCall: false, at: returned.at, ...links };
    call.match = back;
    events.push(back);
  });
  events.sort((a, b) => a.at - b.at || Number(b.isCall) - Number(a.isCall));
  const head: Event = {
    operation: -1,
    isCall: true,
    at: Number.NEGATIVE_INFINITY,
    match: undefined,
    previous: undefined,
    next: undefined,
  };
  let last = head;
  for (const event of events) {
    last.next = event;
    event.previous = last;
    last = event;
  }
  return head;
}

function unlink(event: Event): void {
  if (event.previous !== undefined) event.previous.next = event.next;
  if (event.next !== undefined) event.next.previous = event.previous;
}

/** Undoes the latest `unlink`; an event keeps its own links while it is out of the list. */
function relink(event: Event): void {
  if (event.previous !== undefined) event.previous.next = event;
  if (event.next !== undefined) event.next.previous = event;
}
