import { Refused } from './syntax.ts';

export type Token = { readonly at: number } & (
  | { readonly kind: 'number'; readonly value: number; readonly isInt: boolean }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'symbol'; readonly text: string }
  | { readonly kind: 'end' }
);

const SYMBOLS = [
  '**',
  '..',
  '==',
  '!=',
  '<=',
  '>=',
  '&&',
  '||',
  '??',
  '?.',
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
  '<',
  '>',
  '!',
  '?',
  ':',
  ',',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '#',
  '|',
  '.',
  ';',
  '=',
] as const;
const NUMBER =
  /^(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\d[\d_]*(?:\.(?!\.)[\d_]*)?(?:[eE][+-]?\d+)?|\.\d[\d_]*(?:[eE][+-]?\d+)?)/;
const WORD = /^[A-Za-z_$][A-Za-z0-9_$]*/;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** Splits an expression into tokens; the last is `end`. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    while (/[ \t\r\n]/.test(text[at] ?? '')) at++;
    if (at >= text.length) break;
    const token = tokenAt(text, at);
    tokens.push(token.token);
    at = token.end;
  }
  tokens.push({ kind: 'end', at });
  return tokens;
}

function tokenAt(text: string, at: number): { readonly token: Token; readonly end: number } {
  const rest = text.slice(at);
  const number = NUMBER.exec(rest)?.[0];
  if (number !== undefined) return { token: numberOf(number, text, at), end: at + number.length };
  const word = WORD.exec(rest)?.[0];
  if (word !== undefined) return { token: { kind: 'word', text: word, at }, end: at + word.length };
  const first = text[at]!;
  if (first === '"' || first === "'") return quoted(text, at, first);
  if (first === '`') {
    const close = text.indexOf('`', at + 1);
    if (close < 0) throw new Refused('a string has no end', at);
    return { token: { kind: 'string', value: text.slice(at + 1, close), at }, end: close + 1 };
  }
  const symbol = SYMBOLS.find((candidate) => rest.startsWith(candidate));
  if (symbol === undefined) throw new Refused(`"${first}" has no meaning here`, at);
  return { token: { kind: 'symbol', text: symbol, at }, end: at + symbol.length };
}

function numberOf(written: string, text: string, at: number): Token {
  if (/^[A-Za-z0-9_]/.test(text.slice(at + written.length))) throw new Refused('a number ends oddly', at);
  if (written.startsWith('_') || written.endsWith('_') || written.includes('__')) {
    throw new Refused('a number has a misplaced _', at);
  }
  const value = Number(written.replaceAll('_', ''));
  const isInt = /^0[xXoObB]/.test(written) || !/[.eE]/.test(written);
  if (!Number.isFinite(value) || (isInt && !Number.isSafeInteger(value))) {
    throw new Refused('a number is too large', at);
  }
  return { kind: 'number', value, isInt, at };
}

function quoted(text: string, at: number, quote: string): { readonly token: Token; readonly end: number } {
  let value = '';
  for (let i = at + 1; i < text.length; i++) {
    const c = text[i]!;
    if (c === quote) return { token: { kind: 'string', value, at }, end: i + 1 };
    if (c === '\n') break;
    if (c !== '\\') {
      value += c;
      continue;
    }
    i++;
    const escaped = text[i] ?? '';
    const plain = Object.hasOwn(ESCAPES, escaped) ? ESCAPES[escaped] : undefined;
    const hex = /^u[0-9a-fA-F]{4}/.exec(text.slice(i, i + 5))?.[0];
    if (plain !== undefined) value += plain;
    else if (hex !== undefined) {
      value += String.fromCharCode(Number.parseInt(hex.slice(1), 16));
      i += 4;
    } else throw new Refused(`\\${escaped} is not an escape`, i - 1);
  }
  throw new Refused('a string has no end', at);
}
