/** Tells the kinds of script files apart by the commands in them. */
import { readFileSync } from 'node:fs';
import { isInteractionCommand } from './commands.ts';
import { ScriptSyntaxError, parseScript, type Directive } from './script.ts';

/** `other`: no script, or one of which no command is known. */
export type Kind = 'interaction' | 'quorum' | 'confchange' | 'other';

const QUORUM_COMMANDS: readonly string[] = ['committed', 'vote'];
const CONFCHANGE_COMMANDS: readonly string[] = ['simple', 'enter-joint', 'leave-joint'];

/** Larger files are no scripts. */
const SCRIPT_BYTES_MAX = 64 * 1024 * 1024;

/** The kind of most of the commands. */
export function kindOfDirectives(directives: readonly Directive[]): Kind {
  return kindOfCommands(directives.map(({ command }) => command));
}

function kindOfCommands(commands: readonly string[]): Kind {
  const known = {
    interaction: (command: string) => isInteractionCommand(command),
    quorum: (command: string) => QUORUM_COMMANDS.includes(command),
    confchange: (command: string) => CONFCHANGE_COMMANDS.includes(command),
  };
  let kind: Kind = 'other';
  let most = 0;
  for (const [name, isKnown] of Object.entries(known)) {
    const count = commands.filter((command) => isKnown(command)).length;
    if (count <= most) continue;
    most = count;
    kind = name as Kind;
  }
  return kind;
}

/** The kind of a file. */
export function kindOfFile(path: string): Kind {
  const bytes = readFileSync(path);
  if (bytes.byteLength > SCRIPT_BYTES_MAX || bytes.includes(0)) return 'other';
  const text = bytes.toString('utf8');
  try {
    return kindOfDirectives(parseScript(text));
  } catch (error) {
    if (!(error instanceof ScriptSyntaxError)) throw error;
  }
  // A damaged script must fail, not be passed over.
  const lines = text.split(/\r?\n/);
  if (!path.endsWith('.txt') || !lines.includes('----')) return 'other';
  return kindOfCommands(lines.map((line) => line.split(' ', 1)[0] ?? ''));
}
