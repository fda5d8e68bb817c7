// The small faults that a source may get, and the source with some of them behind switches: `a + b` becomes `(fault(7) ? a - b : a + b)`, so that one copy, or one build of the core, holds many and each is
// put on while a test runs.
import ts from "typescript";

/** An operator is another. */
const SWAPS = new Map([
  ["+", "-"],
  ["-", "+"],
  ["*", "+"],
  ["/", "*"],
  ["%", "*"],
  ["<", "<="],
  ["<=", "<"],
  [">", ">="],
  [">=", ">"],
  ["===", "!=="],
  ["!==", "==="],
  ["==", "!="],
  ["!=", "=="],
  ["&&", "||"],
  ["||", "&&"],
  ["??", "&&"],
  ["<<", ">>"],
  [">>", "<<"],
  ["&", "|"],
  ["|", "&"],
  ["+=", "-="],
  ["-=", "+="],
]);

/** What AssemblyScript's compiler decides: both ways of such a condition need not compile. */
const STATIC = /ASC_|PART|\b(isVector|isFloat|isInteger|isSigned|sizeof|alignof|idof|nameof)\b/;

/** Functions of math that are taken for one another. */
const TWINS = new Map([
  ["min", "max"],
  ["max", "min"],
  ["floor", "ceil"],
  ["ceil", "floor"],
]);

/** A literal and one, or twice where that is the same. Masks of 64 bits are no doubles. */
function next(literal) {
  if (!/[.e]/.test(literal.replace(/^0x.*/, ""))) return `${BigInt(literal.replaceAll("_", "")) + 1n}`;
  const v = Number(literal);
  return `${v + 1 === v ? 2 * v : v + 1}`;
}

/**
 * @param {string} text - a module in TypeScript, or in AssemblyScript
 * @returns every fault that it may get: the expression's place and what it is instead, its line, what a reader is shown, and whether it is computed once when the module is loaded
 */
export function faultsOf(text, { assembly = false } = {}) {
  const source = ts.createSourceFile("x.ts", text, ts.ScriptTarget.Latest, true);
  const faults = [];
  let depth = 0;
  const put = (node, to, shown = `${node.getText()} → ${to}`) => {
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    const whole = {
      at: node.getStart(),
      end: node.getEnd(),
      to,
      line,
      shown: shown.replace(/\s+/g, " ").slice(0, 100),
    };
    // The compiler wants a constant there: globals of the core, and there are none that change.
    if (!assembly || depth > 0) faults.push({ ...whole, once: depth === 0 });
  };
  const fixed = (node) => assembly && STATIC.test(node.getText());
  const visit = (node) => {
    // A message is not behaviour, and a type is none either.
    if (ts.isTypeNode(node) || ts.isThrowStatement(node) || ts.isImportDeclaration(node) || ts.isEnumDeclaration(node))
      return;
    if (ts.isFunctionLike(node)) {
      depth++;
      for (const parameter of assembly ? [] : node.parameters) visit(parameter);
      if (node.body !== undefined) visit(node.body);
      depth--;
      return;
    }
    if (ts.isCaseClause(node)) {
      for (const statement of node.statements) visit(statement);
      return;
    }
    if (ts.isPropertyAssignment(node)) return visit(node.initializer);
    if (ts.isIfStatement(node) && fixed(node.expression)) {
      visit(node.thenStatement);
      if (node.elseStatement !== undefined) visit(node.elseStatement);
      return;
    }
    if (ts.isConditionalExpression(node) && fixed(node.condition)) {
      visit(node.whenTrue);
      return visit(node.whenFalse);
    }
    if (ts.isExpression(node) && fixed(node)) return;
    if (ts.isIfStatement(node)) put(node.expression, `!(${node.expression.getText()})`);
    if (ts.isBinaryExpression(node)) {
      const [from, to] = [node.operatorToken.getText(), SWAPS.get(node.operatorToken.getText())];
      if (to !== undefined)
        put(node, `(${node.left.getText()}) ${to} (${node.right.getText()})`, `${node.getText()}: ${from} → ${to}`);
    } else if (ts.isNumericLiteral(node))
      put(node, node.text === "0" ? "1" : node.text === "1" ? "0" : next(node.getText()));
    else if (node.kind === ts.SyntaxKind.TrueKeyword) put(node, "false");
    else if (node.kind === ts.SyntaxKind.FalseKeyword) put(node, "true");
    else if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken)
      put(node, node.operand.getText());
    else if (ts.isPropertyAccessExpression(node) && node.expression.getText() === "Math" && TWINS.has(node.name.text))
      put(node, `Math.${TWINS.get(node.name.text)}`);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return faults;
}

/**
 * @param faults - of `text`, each with the `id` of its switch
 * @param {(id: number) => string} call - the expression that asks the switch
 * @returns the text with the switches in it; what is inside of a faulty expression is as it was
 */
export function switched(text, faults, call) {
  const ordered = [...faults].sort((a, b) => a.at - b.at || b.end - a.end);
  const render = (from, to) => {
    let [out, at] = ["", from];
    while (ordered.length > 0 && ordered[0].at < to) {
      const fault = ordered.shift();
      out += `${text.slice(at, fault.at)}(${call(fault.id)} ? (${fault.to}) : (${render(fault.at, fault.end)}))`;
      at = fault.end;
    }
    return out + text.slice(at, to);
  };
  return render(0, text.length);
}
