import { type Binary, type Expression, LIMITS, type Quantifier, Refused } from './syntax.ts';
import { type Token, tokensOf } from './tokens.ts';

/** How strongly operators bind; those of one level group to the left, `**` to the right. */
const STRENGTH: Readonly<Record<Binary, number>> = {
  or: 10,
  and: 15,
  '==': 20,
  '!=': 20,
  '<': 20,
  '<=': 20,
  '>': 20,
  '>=': 20,
  in: 20,
  'not in': 20,
  contains: 20,
  startsWith: 20,
  endsWith: 20,
  '..': 25,
  '+': 30,
  '-': 30,
  '*': 60,
  '/': 60,
  '%': 60,
  '**': 100,
};
const COMPARISON = 20;
const NOT_STRENGTH = 50;
const SIGN_STRENGTH = 90;

const SPELLINGS: Readonly<Record<string, Binary>> = { '||': 'or', '&&': 'and', '^': '**' };
const QUANTIFIERS: readonly string[] = ['all', 'any', 'none', 'one'] satisfies Quantifier[];
const WORD_OPERATORS: readonly string[] = [
  'or',
  'and',
  'not',
  'in',
  'contains',
  'startsWith',
  'endsWith',
  'matches',
];

/** Throws `Refused`. */
export function parseExpression(text: string): Expression {
  if (text.length > LIMITS.text) {
    throw new Refused(`an expression may have ${LIMITS.text} characters, this one has ${text.length}`, 0);
  }
  return new Parser(tokensOf(text)).whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #nodes = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Expression {
    const expression = this.#expression(0);
    if (this.#token.kind !== 'end')
      throw new Refused(`${shown(this.#token)} is not expected here`, this.#token.at);
    return expression;
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #node<E extends Expression>(expression: E): E {
    if (++this.#nodes > LIMITS.nodes)
      throw new Refused(`an expression may have ${LIMITS.nodes} parts`, expression.at);
    return expression;
  }

  #expression(least: number): Expression {
    if (++this.#depth > LIMITS.depth) {
      throw new Refused(`an expression may nest ${LIMITS.depth} deep`, this.#token.at);
    }
    let left = this.#operand();
    let isComparison = false;
    for (;;) {
      const { at } = this.#token;
      const found = this.#operator();
      if (found === undefined || STRENGTH[found.operator] < least) break;
      const { operator, width } = found;
      const strength = STRENGTH[operator];
      if (isComparison && strength === COMPARISON) {
        throw new Refused('comparisons do not chain: join them with "and"', at);
      }
      this.#next += width;
      const right = this.#expression(operator === '**' ? strength : strength + 1);
      left = this.#node({ kind: 'binary', operator, left, right, at });
      isComparison = strength === COMPARISON;
    }
    if (least === 0 && this.#isSymbol('?')) left = this.#choice(left);
    this.#depth--;
    return left;
  }

  #choice(condition: Expression): Expression {
    const { at } = this.#token;
    this.#next++;
    const then = this.#expression(0);
    this.#expect(':');
    const otherwise = this.#expression(0);
    return this.#node({ kind: 'choice', condition, then, otherwise, at });
  }

  #operator(): { readonly operator: Binary; readonly width: number } | undefined {
    const token = this.#token;
    if (token.kind !== 'word' && token.kind !== 'symbol') return undefined;
    if (token.text === 'not') {
      const after = this.#tokens[this.#next + 1];
      if (after?.kind === 'word' && after.text === 'in') return { operator: 'not in', width: 2 };
      return undefined;
    }
    if (token.text === 'matches')
      throw new Refused('"matches" is not supported: use contains, startsWith, endsWith', token.at);
    const operator = Object.hasOwn(SPELLINGS, token.text) ? SPELLINGS[token.text]! : token.text;
    return Object.hasOwn(STRENGTH, operator) ? { operator: operator as Binary, width: 1 } : undefined;
  }

  #operand(): Expression {
    const token = this.#token;
    const { at } = token;
    this.#next++;
    switch (token.kind) {
      case 'number':
        return this.#node({ kind: 'literal', value: token.value, type: token.isInt ? 'int' : 'float', at });
      case 'string':
        return this.#node({ kind: 'literal', value: token.value, type: 'string', at });
      case 'end':
        throw new Refused('the expression ends too early', at);
      case 'word':
        return this.#word(token.text, at);
      case 'symbol':
        return this.#symbol(token.text, at);
      default:
        return token satisfies never;
    }
  }

  #symbol(text: string, at: number): Expression {
    if (text === '(') {
      const inner = this.#expression(0);
      this.#expect(')');
      return inner;
    }
    if (text === '[') return this.#array(at);
    if (text === '#') return this.#node({ kind: 'element', at });
    if (text === '!') return this.#prefixed('not', NOT_STRENGTH, at);
    if (text === '-') return this.#prefixed('negate', SIGN_STRENGTH, at);
    throw new Refused(`"${text}" is not expected here`, at);
  }

  #word(text: string, at: number): Expression {
    if (text === 'true' || text === 'false') {
      return this.#node({ kind: 'literal', value: text === 'true', type: 'bool', at });
    }
    if (text === 'not') return this.#prefixed('not', NOT_STRENGTH, at);
    if (WORD_OPERATORS.includes(text)) throw new Refused(`"${text}" is not expected here`, at);
    if (this.#isSymbol('(')) return this.#call(text, at);
    return this.#node({ kind: 'name', name: text, at });
  }

  #prefixed(kind: 'not' | 'negate', strength: number, at: number): Expression {
    return this.#node({ kind, operand: this.#expression(strength), at });
  }

  #array(at: number): Expression {
    const items: Expression[] = [];
    while (!this.#isSymbol(']')) {
      if (items.length > 0) this.#expect(',');
      items.push(this.#expression(0));
    }
    this.#expect(']');
    return this.#node({ kind: 'array', items, at });
  }

  #call(name: string, at: number): Expression {
    this.#expect('(');
    let call: Expression;
    if (name === 'len') call = { kind: 'len', operand: this.#expression(0), at };
    else if (name === 'has_tag') {
      const tags = this.#expression(0);
      this.#expect(',');
      call = { kind: 'has_tag', tags, tag: this.#expression(0), at };
    } else if (QUANTIFIERS.includes(name)) {
      const array = this.#expression(0);
      this.#expect(',');
      call = { kind: 'quantifier', quantifier: name as Quantifier, array, predicate: this.#predicate(), at };
    } else
      throw new Refused(`there is no function "${name}": there are len, has_tag, all, any, none and one`, at);
    this.#expect(')');
    return this.#node(call);
  }

  #predicate(): Expression {
    if (!this.#isSymbol('{')) return this.#expression(0);
    this.#next++;
    const predicate = this.#expression(0);
    this.#expect('}');
    return predicate;
  }

  #isSymbol(text: string): boolean {
    const token = this.#token;
    return token.kind === 'symbol' && token.text === text;
  }

  #expect(text: string): void {
    if (!this.#isSymbol(text))
      throw new Refused(`"${text}" is expected, not ${shown(this.#token)}`, this.#token.at);
    this.#next++;
  }
}

function shown(token: Token): string {
  switch (token.kind) {
    case 'end':
      return 'the end';
    case 'number':
    case 'string':
      return JSON.stringify(token.value);
    default:
      return `"${token.text}"`;
  }
}
