/**
 * Lint rules that oxlint does not bring along. Loaded by .oxlintrc.json.
 */

interface Member {
  readonly type: string;
  readonly object?: Member;
  readonly property?: { readonly name?: string };
}

interface Call {
  readonly callee: Member;
  readonly arguments: readonly Member[];
}

interface Context {
  readonly report: (problem: { readonly node: unknown; readonly message: string }) => void;
}

interface Rule {
  readonly create: (context: Context) => Readonly<Record<string, (node: Call) => void>>;
}

const matching: ReadonlySet<string> = new Set([
  'includes',
  'startsWith',
  'endsWith',
  'match',
  'search',
  'indexOf',
]);

function isMessage(node: Member | undefined): boolean {
  return node?.type === 'MemberExpression' && node.property?.name === 'message';
}

/** Error texts may change at any time; codes may not. Branch on codes. */
const noMessageMatch: Rule = {
  create: (context) => ({
    CallExpression(node) {
      const { callee } = node;
      if (callee.type !== 'MemberExpression') return;
      const method = callee.property?.name ?? '';
      const onMessage = matching.has(method) && isMessage(callee.object);
      const byPattern = method === 'test' && isMessage(node.arguments[0]);
      if (onMessage || byPattern) {
        context.report({ node, message: 'Never match on the text of an error: use its code.' });
      }
    },
  }),
};

// oxlint-disable-next-line import/no-default-export -- oxlint loads a plugin by default export
export default { meta: { name: 'witan' }, rules: { 'no-message-match': noMessageMatch } };
