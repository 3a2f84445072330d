/** One of several processes that play seeds: `main.ts --jobs`. Gets ranges, answers with tallies. */
import { playRange, type Played, type Settings } from './play.ts';

/** What the first process asks for. */
export interface Task {
  readonly settings: Settings;
  readonly from: number;
  readonly seeds: number;
}

/** What comes back. */
export interface Done {
  readonly tally: Played;
  readonly lines: readonly string[];
}

// Errors are made by the thousand here, and nobody reads where they came from.
Error.stackTraceLimit = 0;

process.on('message', (task: Task) => {
  const lines: string[] = [];
  void playRange(task.settings, task.from, task.seeds, (line) => lines.push(line)).then((tally) => {
    const done: Done = { tally, lines };
    process.send?.(done);
  });
});
