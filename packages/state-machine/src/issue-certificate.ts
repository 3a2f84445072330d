/** Deciding over `issue-certificate`: the manifest in force must have judged the evidence. */
import type { IssueCertificateCommand } from './commands.ts';
import type { IssuedTable } from './issued-table.ts';
import * as limits from './limits.ts';
import type { CommandResult } from './results.ts';
import type { StateView } from './view.ts';

/** Decides without changing anything; `index` is the command's place in the log. */
export function decideIssueCertificate(
  view: StateView<unknown>,
  issued: IssuedTable,
  command: IssueCertificateCommand,
  index: number,
): CommandResult {
  const { workload, serial } = command;
  if (command.generation !== view.generation) {
    const found = command.generation;
    return { kind: 'stale-generation', expected: view.generation, found };
  }
  if (view.manifest?.workloads.has(workload) !== true) {
    return { kind: 'unknown-workload', workload };
  }
  if (issued.get(serial) !== undefined) return { kind: 'serial-taken', serial };
  if (issued.isFullAt(command.notBeforeMs)) {
    return { kind: 'issued-full', expected: limits.ISSUED_MAX };
  }
  return {
    kind: 'issued',
    record: {
      serial,
      workload,
      spkiSha256: command.spkiSha256,
      evidenceSha256: command.evidenceSha256,
      generation: command.generation,
      notBeforeMs: command.notBeforeMs,
      notAfterMs: command.notAfterMs,
      servedBy: command.servedBy,
      index,
    },
  };
}
