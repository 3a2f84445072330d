/** Simulated time: a queue of callbacks, and a hash of everything that ran. */

interface Timer {
  readonly atMs: number;
  readonly sequence: number;
  callback: (() => void) | undefined;
}

/** Turns that promises get after each callback: enough for the driver's longest chains. */
const SETTLE_TURNS = 12;

export class Timeline {
  readonly #heap: Timer[] = [];
  #nowMs = 0;
  #sequence = 0;
  #events = 0;
  #hashA = 0x811c9dc5;
  #hashB = 0x1b873593;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Callbacks that ran so far. */
  get events(): number {
    return this.#events;
  }

  /** A number that grows with every call: orders what happens at one time. */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** Hash of everything that was noted so far, 16 hexadecimal digits. */
  get hash(): string {
    const part = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return part(this.#hashA) + part(this.#hashB);
  }

  /** Adds to the hash of the trace. */
  note(value: number): void {
    this.#hashA = Math.imul(this.#hashA ^ (value | 0), 0x01000193);
    this.#hashB = Math.imul(this.#hashB + (value | 0), 0x85ebca6b) ^ (this.#hashB >>> 13);
  }

  /** @returns cancels it */
  after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      sequence: this.nextSequence(),
      callback,
    };
    this.#push(timer);
    return () => {
      timer.callback = undefined;
    };
  }

  /** Runs until `isOver`, which is asked after every event, or until nothing is left to run. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const timer = this.#pop();
      if (timer === undefined) return;
      const { callback } = timer;
      if (callback === undefined) continue;
      timer.callback = undefined;
      this.#nowMs = timer.atMs;
      this.#events += 1;
      this.note(timer.sequence);
      this.note(timer.atMs * 1024);
      callback();
      for (let turn = 0; turn < SETTLE_TURNS; turn += 1) await Promise.resolve();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const right = heap[child + 1];
      let below = heap[child];
      if (below === undefined) break;
      if (right !== undefined && isBefore(right, below)) {
        child += 1;
        below = right;
      }
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.sequence < right.sequence);
}
