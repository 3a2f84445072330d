/**
 * Markdown: links inside the repository lead to files and headings that exist, and every
 * `npm run` script and repository path that README.md tells the reader to use exists too. So does
 * every test that the threat model names.
 */
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { listFiles, readJson, readText } from './files.ts';
import { type Finding, type GateReport } from './gate.ts';
import { threatModelFindings } from './threat-model.ts';

/** Checks every Markdown file of the tree. */
export function checkDocs(root: string): GateReport {
  const files = listFiles(root).filter((file) => file.endsWith('.md'));
  const findings = files.flatMap((file) => linkFindings(root, file));
  const withCommands = files.filter((file) => /^(README|CONTRIBUTING)\.md$/.test(file));
  for (const file of withCommands) findings.push(...commandFindings(root, file));
  findings.push(...threatModelFindings(root));
  return { checkedCount: files.length, checkedUnit: 'documents', findings };
}

/** Text without fenced code, each removed line kept empty so that line numbers hold. */
function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, ''));
}

function linkFindings(root: string, file: string): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [index, content] of prose(readText(root, file)).split('\n').entries()) {
    for (const match of content.matchAll(/\]\(([^)\s]+)\)/g)) {
      const problem = linkProblem(root, file, match[1] ?? '');
      if (problem !== undefined) findings.push({ file, line: index + 1, message: problem });
    }
  }
  return findings;
}

function linkProblem(root: string, file: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : posix.join(posix.dirname(file), path);
  if (target.startsWith('../') || !existsSync(join(root, target))) {
    return `link ${link} leads nowhere`;
  }
  if (anchor === undefined || !target.endsWith('.md')) return undefined;
  const known = anchorsOf(readText(root, target));
  return known.has(anchor) ? undefined : `link ${link} names a heading that does not exist`;
}

/** Heading anchors as forges make them: lower case, spaces to dashes, punctuation dropped. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...prose(text).matchAll(/^#+ (.*)$/gm)].map((match) => match[1] ?? '');
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  );
}

function commandFindings(root: string, file: string): readonly Finding[] {
  const manifest = readJson(root, 'package.json') as
    { scripts?: Readonly<Record<string, string>> } | undefined;
  const scripts = manifest?.scripts ?? {};
  const findings: Finding[] = [];
  for (const [index, content] of readText(root, file).split('\n').entries()) {
    for (const match of content.matchAll(/\bnpm (?:-s )?(?:run (?:-s )?([\w:-]+)|(test)\b)/g)) {
      const name = match[1] ?? match[2] ?? '';
      if (name in scripts) continue;
      findings.push({ file, line: index + 1, message: `npm script ${name} does not exist` });
    }
    for (const match of content.matchAll(
      /`((?:packages|scripts|docs|proto|test|\.ci)\/[\w./-]+)`/g,
    )) {
      if (existsSync(join(root, match[1] ?? ''))) continue;
      findings.push({ file, line: index + 1, message: `${match[1]} does not exist` });
    }
  }
  return findings;
}
