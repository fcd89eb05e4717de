import { type ArrayType, type Binary, type Expression, Refused, type ValueType } from './syntax.ts';

/** Names an expression may use, with their types. */
export type Variables = Readonly<Record<string, ValueType>>;

/** Finds the type of an expression. Throws `Refused`. */
export function typeOf(expression: Expression, variables: Variables, element?: ValueType): ValueType {
  const of = (inner: Expression): ValueType => typeOf(inner, variables, element);
  const { at } = expression;
  switch (expression.kind) {
    case 'literal':
      return expression.type;
    case 'name':
      if (Object.hasOwn(variables, expression.name)) return variables[expression.name]!;
      throw new Refused(unknown(expression.name, variables), at);
    case 'element':
      if (element === undefined) throw new Refused('# has a meaning only in all, any, none and one', at);
      return element;
    case 'array':
      return { element: elementOf(expression.items, of) };
    case 'not':
      wants(of(expression.operand), ['bool'], '"not"', expression.operand.at);
      return 'bool';
    case 'negate':
      return wants(of(expression.operand), ['int', 'float'], '"-"', expression.operand.at);
    case 'binary':
      return binaryType(expression.operator, of(expression.left), of(expression.right), at);
    case 'choice': {
      wants(of(expression.condition), ['bool'], 'what stands before "?"', expression.condition.at);
      const [then, otherwise] = [of(expression.then), of(expression.otherwise)];
      if (!same(then, otherwise)) {
        throw new Refused(`both sides of ":" must be alike, not ${named(then)} and ${named(otherwise)}`, at);
      }
      return then;
    }
    case 'len': {
      const inner = of(expression.operand);
      if (inner !== 'string' && !isArray(inner))
        throw new Refused(`len takes a text or a list, not ${named(inner)}`, at);
      return 'int';
    }
    case 'has_tag': {
      const tags = of(expression.tags);
      if (!isArray(tags) || !(tags.element === undefined || tags.element === 'string')) {
        throw new Refused(`has_tag takes a list of texts first, not ${named(tags)}`, expression.tags.at);
      }
      wants(of(expression.tag), ['string'], 'the tag of has_tag', expression.tag.at);
      return 'bool';
    }
    case 'quantifier': {
      const array = of(expression.array);
      if (!isArray(array))
        throw new Refused(`${expression.quantifier} takes a list, not ${named(array)}`, at);
      const predicate = typeOf(expression.predicate, variables, array.element ?? 'string');
      wants(predicate, ['bool'], `the condition of ${expression.quantifier}`, expression.predicate.at);
      return 'bool';
    }
    default:
      return expression satisfies never;
  }
}

function elementOf(items: readonly Expression[], of: (inner: Expression) => ValueType): ArrayType['element'] {
  let element: ArrayType['element'];
  for (const item of items) {
    const type = of(item);
    if (isArray(type)) throw new Refused('a list cannot hold lists', item.at);
    if (element === undefined) element = type;
    else if (isNumber(element) && isNumber(type)) element = element === type ? type : 'float';
    else if (element !== type)
      throw new Refused(`a list holds one kind of thing, not ${named(element)} and ${named(type)}`, item.at);
  }
  return element;
}

function binaryType(operator: Binary, left: ValueType, right: ValueType, at: number): ValueType {
  const refuse = (): never => {
    throw new Refused(`"${operator}" does not go with ${named(left)} and ${named(right)}`, at);
  };
  const numbers = isNumber(left) && isNumber(right);
  switch (operator) {
    case 'or':
    case 'and':
      return left === 'bool' && right === 'bool' ? 'bool' : refuse();
    case '==':
    case '!=':
      return numbers || (!isArray(left) && left === right) ? 'bool' : refuse();
    case '<':
    case '<=':
    case '>':
    case '>=':
      return numbers ? 'bool' : refuse();
    case 'in':
    case 'not in':
      if (!isArray(right) || isArray(left)) return refuse();
      return right.element === undefined ||
        right.element === left ||
        (isNumber(left) && isNumber(right.element))
        ? 'bool'
        : refuse();
    case 'contains':
    case 'startsWith':
    case 'endsWith':
      return left === 'string' && right === 'string' ? 'bool' : refuse();
    case '..':
      return left === 'int' && right === 'int' ? { element: 'int' } : refuse();
    case '+':
      if (left === 'string' && right === 'string') return 'string';
      return numbers ? sum(left, right) : refuse();
    case '-':
    case '*':
      return numbers ? sum(left, right) : refuse();
    case '/':
    case '**':
      return numbers ? 'float' : refuse();
    case '%':
      return left === 'int' && right === 'int' ? 'int' : refuse();
    default:
      return operator satisfies never;
  }
}

function sum(left: ValueType, right: ValueType): ValueType {
  return left === 'int' && right === 'int' ? 'int' : 'float';
}

function isNumber(type: ValueType | undefined): type is 'int' | 'float' {
  return type === 'int' || type === 'float';
}

function isArray(type: ValueType): type is ArrayType {
  return typeof type === 'object';
}

function same(a: ValueType, b: ValueType): boolean {
  return isArray(a) && isArray(b) ? a.element === b.element : a === b;
}

function wants(type: ValueType, wanted: readonly ValueType[], what: string, at: number): ValueType {
  if (wanted.some((candidate) => candidate === type)) return type;
  throw new Refused(`${what} takes ${named(wanted[0]!)}, not ${named(type)}`, at);
}

function named(type: ValueType): string {
  if (isArray(type)) return 'a list';
  return { int: 'a whole number', float: 'a number', string: 'a text', bool: 'true or false' }[type];
}

function unknown(name: string, variables: Variables): string {
  if (name === 'peer_score') return 'peer_score is not supported: nodes keep no scores here';
  if (name === 'members') return 'members is not supported: it means the size of a local table not kept here';
  return `there is no "${name}" here: there are ${Object.keys(variables).join(', ')}`;
}
