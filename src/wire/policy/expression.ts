import { typeOf, type Variables } from './checker.ts';
import { parseExpression } from './parser.ts';
import { type Expression, type ExpressionError, Refused } from './syntax.ts';

/** Parses and checks a condition: it must yield true or false, and use only these variables. */
export function compileExpression(text: string, variables: Variables): Expression | ExpressionError {
  try {
    const expression = parseExpression(text);
    if (typeOf(expression, variables) !== 'bool') {
      throw new Refused('a condition must be true or false', expression.at);
    }
    return expression;
  } catch (thrown) {
    if (thrown instanceof Refused) return { error: thrown.error, at: thrown.at };
    throw thrown;
  }
}
