/** Steps of a run: each is announced, timed, and either happens or ends the run. */

/** One step as it went. */
export interface StepReport {
  readonly name: string;
  readonly title: string;
  readonly outcome: 'done' | 'failed';
  readonly durationMs: number;
  /** What was seen, for people and programs. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** Why not, for a failed step. */
  readonly error?: string;
}

export type Facts = Readonly<Record<string, string | number | boolean>>;

export class Steps {
  readonly reports: StepReport[] = [];
  readonly #write: (text: string) => void;
  readonly #describe: (error: unknown) => string;

  constructor(write: (text: string) => void, describe: (error: unknown) => string) {
    this.#write = write;
    this.#describe = describe;
  }

  /** Runs a step; what it returns is shown behind it. A step that throws is rethrown. */
  async run(name: string, title: string, body: () => Promise<Facts>): Promise<void> {
    this.#write(`\n${this.reports.length + 1}. ${title}\n`);
    const startMs = performance.now();
    try {
      const facts = await body();
      const durationMs = Math.round(performance.now() - startMs);
      for (const [fact, value] of Object.entries(facts))
        this.#write(`   ${fact}: ${String(value)}\n`);
      this.#write(`   done in ${(durationMs / 1000).toFixed(2)} s\n`);
      this.reports.push({ name, title, outcome: 'done', durationMs, facts });
    } catch (error) {
      const durationMs = Math.round(performance.now() - startMs);
      const text = this.#describe(error);
      this.#write(`   FAILED: ${text}\n`);
      this.reports.push({ name, title, outcome: 'failed', durationMs, facts: {}, error: text });
      throw error;
    }
  }
}
