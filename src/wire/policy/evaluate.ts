import {
  type Binary,
  type Expression,
  LIMITS,
  type Quantifier,
  type Range,
  type Scalar,
  type Value,
} from './syntax.ts';

export type Facts = Readonly<Record<string, Scalar | readonly string[]>>;

/** Work left for one decision; shared by its expressions. */
export interface Budget {
  steps: number;
}

export function newBudget(): Budget {
  return { steps: LIMITS.steps };
}

/** Thrown by `evaluate`; caught by whoever decides. */
export class EvaluationError {
  readonly error: string;

  constructor(error: string) {
    this.error = error;
  }
}

/** The value of a checked expression. Throws `EvaluationError`: out of steps, division by zero, a number too large. */
export function evaluate(expression: Expression, facts: Facts, budget: Budget, element?: Scalar): Value {
  spend(budget, 1);
  const of = (inner: Expression): Value => evaluate(inner, facts, budget, element);
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'name': {
      const value = facts[expression.name];
      if (value === undefined) throw new EvaluationError(`${expression.name} is not known`);
      return value;
    }
    case 'element':
      if (element === undefined) throw new EvaluationError('# is not known');
      return element;
    case 'array':
      return expression.items.map((item) => of(item) as Scalar);
    case 'not':
      return !of(expression.operand);
    case 'negate':
      return -(of(expression.operand) as number);
    case 'binary': {
      const left = of(expression.left);
      if (expression.operator === 'and') return left === true && of(expression.right) === true;
      if (expression.operator === 'or') return left === true || of(expression.right) === true;
      return binary(expression.operator, left, of(expression.right), budget);
    }
    case 'choice':
      return of(expression.condition) === true ? of(expression.then) : of(expression.otherwise);
    case 'len':
      return lengthOf(of(expression.operand), budget);
    case 'has_tag':
      return holds(of(expression.tags), of(expression.tag) as string, budget);
    case 'quantifier': {
      const { quantifier, predicate } = expression;
      const test = (item: Scalar): boolean => evaluate(predicate, facts, budget, item) === true;
      return quantified(quantifier, itemsOf(of(expression.array), budget), test);
    }
    default:
      return expression satisfies never;
  }
}

function binary(operator: Exclude<Binary, 'and' | 'or'>, left: Value, right: Value, budget: Budget): Value {
  switch (operator) {
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
    case 'in':
      return holds(right, left as Scalar, budget);
    case 'not in':
      return !holds(right, left as Scalar, budget);
    case 'contains':
      return sized(left, budget).includes(sized(right, budget));
    case 'startsWith':
      return sized(left, budget).startsWith(right as string);
    case 'endsWith':
      return sized(left, budget).endsWith(right as string);
    case '..':
      return { from: left as number, to: right as number };
    case '+':
      if (typeof left === 'string') return sized(left, budget) + sized(right, budget);
      return checked((left as number) + (right as number));
    case '-':
      return checked((left as number) - (right as number));
    case '*':
      return checked((left as number) * (right as number));
    case '/':
      return checked((left as number) / (right as number));
    case '%':
      return checked((left as number) % (right as number));
    case '**':
      return checked((left as number) ** (right as number));
    default:
      return operator satisfies never;
  }
}

/** Past what both kinds of number carry exactly, two implementations may differ. */
function checked(value: number): number {
  if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw new EvaluationError('a number is too large, or divided by zero');
  }
  return value;
}

function isRange(value: Value): value is Range {
  return typeof value === 'object' && 'from' in value;
}

function holds(list: Value, item: Scalar, budget: Budget): boolean {
  if (isRange(list)) {
    return typeof item === 'number' && Number.isInteger(item) && item >= list.from && item <= list.to;
  }
  spend(budget, (list as readonly Scalar[]).length);
  return (list as readonly Scalar[]).includes(item);
}

function lengthOf(value: Value, budget: Budget): number {
  if (isRange(value)) return Math.max(0, value.to - value.from + 1);
  if (typeof value === 'string') return [...sized(value, budget)].length;
  return (value as readonly Scalar[]).length;
}

function* itemsOf(list: Value, budget: Budget): Iterable<Scalar> {
  if (!isRange(list)) {
    yield* list as readonly Scalar[];
    return;
  }
  for (let item = list.from; item <= list.to; item++) {
    spend(budget, 1);
    yield item;
  }
}

function quantified(
  quantifier: Quantifier,
  items: Iterable<Scalar>,
  test: (item: Scalar) => boolean,
): boolean {
  let count = 0;
  for (const item of items) {
    const holds = test(item);
    if (quantifier === 'all' && !holds) return false;
    if (holds) {
      if (quantifier === 'any') return true;
      if (quantifier === 'none') return false;
      count++;
      if (quantifier === 'one' && count > 1) return false;
    }
  }
  if (quantifier === 'any') return false;
  return quantifier === 'one' ? count === 1 : true;
}

/** Texts cost by their length, so that sums of texts end. */
function sized(text: Value, budget: Budget): string {
  spend(budget, (text as string).length >> 4);
  return text as string;
}

function spend(budget: Budget, steps: number): void {
  budget.steps -= steps;
  if (budget.steps < 0) throw new EvaluationError(`the decision takes more than ${LIMITS.steps} steps`);
}
