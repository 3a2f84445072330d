/** One of several processes that play seeds (`--jobs`): gets ranges, answers with tallies. */
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

async function play({ settings, from, seeds }: Task): Promise<void> {
  const lines: string[] = [];
  const tally = await playRange(settings, from, seeds, (line) => lines.push(line));
  const done: Done = { tally, lines };
  process.send?.(done);
}

process.on('message', (task: Task) => {
  void play(task);
});
