/**
 * What is generated from proto/: the committed code is what the pinned plugin makes today, and the
 * definitions follow buf's rules, are formatted, and break nothing against proto/baseline.binpb,
 * the image of the last version whose peers must still be understood.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listFiles } from './files.ts';
import { runTool, type Finding, type GateReport, type ToolResult } from './gate.ts';

const generatedDirectory = 'packages/protocol/src/gen';
const baseline = 'proto/baseline.binpb';

/** Compares, lints and checks the format of everything below `proto`. */
export function checkGenerated(root: string): GateReport {
  const protoDirectory = join(root, 'proto');
  if (!existsSync(protoDirectory)) return report(0, []);
  const protoCount = listFiles(protoDirectory).filter((file) => file.endsWith('.proto')).length;
  return report(protoCount, [
    ...compareGenerated(root),
    ...toolFindings('buf lint', runTool('buf', ['lint'], protoDirectory)),
    ...toolFindings(
      'buf format (run npm run generate)',
      runTool('buf', ['format', '--diff', '--exit-code'], protoDirectory),
    ),
    ...breakingFindings(root, protoDirectory),
  ]);
}

function report(checkedCount: number, findings: readonly Finding[]): GateReport {
  return { checkedCount, checkedUnit: 'proto files', findings };
}

function compareGenerated(root: string): readonly Finding[] {
  const directory = mkdtempSync(join(tmpdir(), 'witan-generated-'));
  try {
    // The template's output path climbs out of proto/, so the prefix gets a directory to leave.
    const result = runTool(
      'buf',
      ['generate', '-o', join(directory, 'proto')],
      join(root, 'proto'),
    );
    if (result.status !== 0) return toolFindings('buf generate', result);
    return compareTrees(join(directory, generatedDirectory), join(root, generatedDirectory));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function compareTrees(expected: string, found: string): readonly Finding[] {
  const expectedFiles = existsSync(expected) ? listFiles(expected) : [];
  const foundFiles = existsSync(found) ? listFiles(found) : [];
  const findings: Finding[] = [];
  for (const name of new Set([...expectedFiles, ...foundFiles])) {
    const file = `${generatedDirectory}/${name}`;
    if (!foundFiles.includes(name)) {
      findings.push({ file, message: 'is missing; run npm run generate' });
    } else if (!expectedFiles.includes(name)) {
      findings.push({ file, message: 'comes from no proto file; run npm run generate' });
    } else if (!readFileSync(join(expected, name)).equals(readFileSync(join(found, name)))) {
      findings.push({ file, message: 'differs from its proto file; run npm run generate' });
    }
  }
  return findings;
}

function breakingFindings(root: string, protoDirectory: string): readonly Finding[] {
  if (!existsSync(join(root, baseline))) {
    return [{ file: baseline, message: 'is missing; run npm run generate -- --baseline' }];
  }
  const result = runTool('buf', ['breaking', '--against', join(root, baseline)], protoDirectory);
  return toolFindings('buf breaking', result);
}

/** buf writes `file:line:column:text`; anything else is quoted whole. */
function toolFindings(tool: string, result: ToolResult): readonly Finding[] {
  if (result.status === 0) return [];
  const output = `${result.stdout}${result.stderr}`.trim();
  const findings: Finding[] = [];
  for (const text of output.split('\n')) {
    const match = /^([^:\s]+\.proto):(\d+):\d+:(.*)$/.exec(text);
    if (match === null) continue;
    const [, file = '', line = '0', message = ''] = match;
    findings.push({ file: `proto/${file}`, line: Number(line), message: `${message} [${tool}]` });
  }
  return findings.length > 0 ? findings : [{ file: 'proto', message: `${tool}: ${output}` }];
}
