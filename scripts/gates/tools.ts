/**
 * Gates that are another program's verdict: types (tsc), lint (oxlint), format (prettier) and
 * unused code (knip). Each one asks its tool how much it looked at.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listFiles, readJson } from './files.ts';
import { runTool, toolRoot, type Finding, type GateReport, type ToolResult } from './gate.ts';

/** A tool that fails without naming a place is quoted in full, so that nothing is swallowed. */
function explained(
  tool: string,
  result: ToolResult,
  findings: readonly Finding[],
): readonly Finding[] {
  if (result.status === 0 || findings.length > 0) return findings;
  const text = `${result.stdout}\n${result.stderr}`.trim();
  return [{ file: '.', message: `${tool} failed: ${text}` }];
}

/** Type-checks every project that the root tsconfig.json references. */
export function checkTypes(root: string): GateReport {
  const config = readJson(root, 'tsconfig.json') as { references?: readonly unknown[] } | undefined;
  const result = runTool('tsc', ['-b', '--pretty', 'false'], root);
  const findings: Finding[] = [];
  for (const line of result.stdout.split('\n')) {
    const match = /^([^\s(][^(]*)\((\d+),\d+\): (error .*)$/.exec(line);
    if (match === null) continue;
    const [, file = '', lineNumber = '0', message = ''] = match;
    findings.push({ file, line: Number(lineNumber), message });
  }
  return {
    checkedCount: config?.references?.length ?? 0,
    checkedUnit: 'projects',
    findings: explained('tsc', result, findings),
  };
}

interface OxlintOutput {
  readonly diagnostics: readonly {
    readonly message: string;
    readonly code?: string;
    readonly filename?: string;
    readonly labels?: readonly { readonly span: { readonly line: number } }[];
  }[];
  readonly number_of_files: number;
}

/** Lints with the rules of the tree's .oxlintrc.json, type-aware. */
export function checkLint(root: string): GateReport {
  const result = runTool('oxlint', ['-c', '.oxlintrc.json', '--format=json', '.'], root);
  let output: OxlintOutput;
  try {
    output = JSON.parse(result.stdout) as OxlintOutput;
  } catch {
    return { checkedCount: 1, checkedUnit: 'runs', findings: explained('oxlint', result, []) };
  }
  const findings = output.diagnostics.map((found): Finding => {
    const line = found.labels?.[0]?.span.line;
    const message = `${found.message} [${found.code ?? 'oxlint'}]`;
    const place = { file: found.filename ?? '.', message };
    return line === undefined ? place : { ...place, line };
  });
  return {
    checkedCount: output.number_of_files,
    checkedUnit: 'files',
    findings: explained('oxlint', result, findings),
  };
}

const formatted = /\.(ts|mts|mjs|js|json|md|ya?ml)$/;

/** Compares every text file with prettier's output. */
export function checkFormat(root: string): GateReport {
  const options = ['--config', join(toolRoot, '.prettierrc.json')];
  const result = runTool('prettier', [...options, '--list-different', '.'], root);
  const findings = result.stdout
    .split('\n')
    .filter((file) => file !== '')
    .map((file): Finding => ({ file, message: 'is not formatted; run npm run format' }));
  return {
    checkedCount: listFiles(root).filter((file) => formatted.test(file)).length,
    checkedUnit: 'files',
    findings: explained('prettier', result, findings),
  };
}

interface KnipIssue {
  readonly file: string;
  readonly [kind: string]: unknown;
}

/** Finds files, exports and dependencies that nothing uses. */
export function checkUnused(root: string): GateReport {
  const own = existsSync(join(root, 'knip.json'));
  const config = own ? [] : ['--config', join(toolRoot, 'knip.json')];
  const result = runTool('knip', [...config, '--reporter', 'json', '--no-progress'], root);
  let issues: readonly KnipIssue[];
  try {
    issues = (JSON.parse(result.stdout) as { issues: readonly KnipIssue[] }).issues;
  } catch {
    return { checkedCount: 1, checkedUnit: 'runs', findings: explained('knip', result, []) };
  }
  const findings = issues.flatMap(({ file, ...kinds }) => knipFindings(file, kinds));
  return {
    checkedCount: listFiles(root).filter((file) => file.endsWith('.ts')).length,
    checkedUnit: 'files',
    findings: explained('knip', result, findings),
  };
}

function knipFindings(file: string, kinds: Readonly<Record<string, unknown>>): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [kind, items] of Object.entries(kinds)) {
    if (!Array.isArray(items)) continue;
    for (const item of items.flat() as readonly { name?: string; line?: number }[]) {
      const found = { file, message: `unused or undeclared (${kind}): ${item.name ?? file}` };
      findings.push(item.line === undefined ? found : { ...found, line: item.line });
    }
  }
  return findings;
}
