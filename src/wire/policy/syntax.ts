/** The expressions of a network's policy (spec/12 §6.3): a small subset, in which whatever is accepted means the same. */

export type ValueType = 'int' | 'float' | 'string' | 'bool' | ArrayType;

/** `element` is undefined for `[]`, which fits every array. */
export interface ArrayType {
  readonly element: 'int' | 'float' | 'string' | 'bool' | undefined;
}

/** A range stays two numbers: nobody has to pay for its length. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export type Scalar = number | string | boolean;
export type Value = Scalar | readonly Scalar[] | Range;

export type Binary =
  | 'or'
  | 'and'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'in'
  | 'not in'
  | 'contains'
  | 'startsWith'
  | 'endsWith'
  | '..'
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '**';

export type Quantifier = 'all' | 'any' | 'none' | 'one';

/** `at` is the offset in the text, for error messages. */
export type Expression = { readonly at: number } & (
  | { readonly kind: 'literal'; readonly value: Scalar; readonly type: 'int' | 'float' | 'string' | 'bool' }
  | { readonly kind: 'array'; readonly items: readonly Expression[] }
  | { readonly kind: 'name'; readonly name: string }
  /** `#`, the element a quantifier looks at. */
  | { readonly kind: 'element' }
  | { readonly kind: 'not' | 'negate'; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: Binary;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'choice';
      readonly condition: Expression;
      readonly then: Expression;
      readonly otherwise: Expression;
    }
  | { readonly kind: 'len'; readonly operand: Expression }
  | { readonly kind: 'has_tag'; readonly tags: Expression; readonly tag: Expression }
  | {
      readonly kind: 'quantifier';
      readonly quantifier: Quantifier;
      readonly array: Expression;
      readonly predicate: Expression;
    }
);

export interface ExpressionError {
  readonly error: string;
  /** Offset in the text. */
  readonly at: number;
}

/** Chosen: several times what the shipped examples need. */
export const LIMITS = {
  /** Characters of one expression. */
  text: 1024,
  nodes: 256,
  depth: 24,
  /** Of one decision over all rules. */
  steps: 20_000,
} as const;

/** Thrown inside the compiler only; `compileExpression` returns it as a value. */
export class Refused {
  readonly error: string;
  readonly at: number;

  constructor(error: string, at: number) {
    this.error = error;
    this.at = at;
  }
}
