/** Runs `simple`, `enter-joint` and `leave-joint` directives against the membership functions. */
import {
  EMPTY_TRACKER,
  RaftError,
  adoptTracker,
  describeMembership,
  describeProgress,
  enterJoint,
  leaveJoint,
  progressStatus,
  simpleChange,
  type Tracker,
} from '../src/index.ts';
import { CommandError } from './command-error.ts';
import { parseChanges } from './describe.ts';
import type { Directive } from './script.ts';

/** Runs a whole file: the membership goes from one directive to the next. */
export function runConfChanges(directives: readonly Directive[]): readonly string[] {
  let tracker = EMPTY_TRACKER;
  return directives.map((directive, lastIndex) => {
    try {
      tracker = adoptTracker(runOne(tracker, directive, lastIndex));
      return describeTracker(tracker);
    } catch (error) {
      if (error instanceof CommandError) return error.message;
      if (!(error instanceof RaftError)) throw error;
      return String(error.fields['reason']);
    }
  });
}

function runOne(tracker: Tracker, directive: Directive, lastIndex: number): Tracker {
  const inflight = { messagesMax: 10, bytesMax: 0 };
  const context = { lastIndex, inflight };
  const changes = parseChanges(directive.input);
  switch (directive.command) {
    case 'simple':
      return simpleChange(tracker, context, changes);
    case 'enter-joint': {
      const autoLeave = directive.args.some(
        (arg) => arg.key === 'autoleave' && arg.values[0] === 'true',
      );
      return enterJoint(tracker, context, autoLeave, changes);
    }
    case 'leave-joint':
      return leaveJoint(tracker);
    default:
      throw new CommandError('unknown command');
  }
}

function describeTracker(tracker: Tracker): string {
  const lines = [describeMembership(tracker.membership)];
  for (const [id, progress] of tracker.progress) {
    lines.push(`${id}: ${describeProgress(progressStatus(progress))}`);
  }
  return lines.join('\n');
}
