/**
 * The source tree as text. TypeScript's native compiler has no API to ask, so the rules of this folder scan text:
 * comments and string contents are blanked first, then regular expressions look at what is left.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Import {
  readonly specifier: string;
  /** Repository path of a relative import, else undefined. */
  readonly target: string | undefined;
  readonly line: number;
}

export interface Source {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** `text` with comments and the contents of strings blanked; positions and lines are the same. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export const root = findRoot();

/** Every TypeScript file below the folders. */
export function sources(...folders: readonly string[]): Source[] {
  return folders.flatMap((folder) =>
    filesBelow(folder)
      .filter((path) => path.endsWith('.ts'))
      .map((path) => parse(path, readFileSync(join(root, path), 'utf8'))),
  );
}

/** Every file below a folder of the repository; none when the folder does not exist. */
export function filesBelow(folder: string): string[] {
  const directory = join(root, folder);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split('\\').join('/'))
    .filter((path) => !path.includes('/node_modules/'))
    .sort();
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function exists(path: string): boolean {
  return existsSync(join(root, path));
}

export function parse(path: string, text: string): Source {
  const code = blank(text);
  return { path, text, code, imports: importsOf(path, text, code) };
}

export function isTest(path: string): boolean {
  return /\.(test|testkit)\.ts$/.test(path) || path.startsWith('test/');
}

/** The folder below src, or undefined. */
export function layerOf(path: string): string | undefined {
  return /^src\/([a-z]+)\//.exec(path)?.[1];
}

/** One finding per match of `pattern` in the code, as `path:line: what`. */
export function findings(source: Source, pattern: RegExp, what: (match: string) => string): string[] {
  return [...source.code.matchAll(pattern)].map((match) => {
    return `${source.path}:${lineAt(source.code, match.index)}: ${what(match[0].trim())}`;
  });
}

function importsOf(path: string, text: string, code: string): Import[] {
  const imports: Import[] = [];
  // Strings are blanked in `code`, so keywords are found there and the specifier is read from `text`.
  const statement = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])/g;
  for (const match of code.matchAll(statement)) {
    const start = match.index + match[0].length;
    const specifier = text.slice(start, text.indexOf(match[1]!, start));
    const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined;
    imports.push({ specifier, target, line: lineAt(code, match.index) });
  }
  return imports;
}

/** Blanks comments, string contents and regular expressions; keeps quotes, newlines and `${…}` of templates. */
function blank(text: string): string {
  const out = text.split('');
  const erase = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' ';
  };
  const templates: number[] = [];
  let depth = 0;
  let at = 0;

  const endOfTemplate = (from: number): number => {
    let i = from;
    while (i < text.length && text[i] !== '`') {
      if (text[i] === '\\') i++;
      else if (text[i] === '$' && text[i + 1] === '{') {
        erase(from, i);
        templates.push(depth++);
        return i + 2;
      }
      i++;
    }
    erase(from, i);
    return i + 1;
  };

  while (at < text.length) {
    const c = text[at]!;
    const two = text.slice(at, at + 2);
    if (two === '//') {
      const end = text.indexOf('\n', at);
      erase(at, end < 0 ? text.length : end);
      at = end < 0 ? text.length : end;
    } else if (two === '/*') {
      const end = text.indexOf('*/', at + 2);
      erase(at, end < 0 ? text.length : end + 2);
      at = end < 0 ? text.length : end + 2;
    } else if (c === '"' || c === "'") {
      let end = at + 1;
      while (end < text.length && text[end] !== c && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
      erase(at + 1, end);
      at = end + 1;
    } else if (c === '`') {
      at = endOfTemplate(at + 1);
    } else if (c === '/' && startsRegExp(text, at)) {
      const end = endOfRegExp(text, at);
      erase(at + 1, end);
      at = end + 1;
    } else {
      if (c === '{') depth++;
      if (c === '}') {
        depth--;
        if (templates.at(-1) === depth) {
          templates.pop();
          at = endOfTemplate(at + 1);
          continue;
        }
      }
      at++;
    }
  }
  return out.join('');
}

/** A slash begins a regular expression where no value has just ended. */
function startsRegExp(text: string, at: number): boolean {
  const before = text.slice(0, at).trimEnd();
  return /(^|[(,=:[!&|?{};+\-*%<>~^]|\b(return|typeof|case|in|of))$/.test(before.slice(-10));
}

function endOfRegExp(text: string, at: number): number {
  let inClass = false;
  for (let i = at + 1; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') i++;
    else if (c === '[') inClass = true;
    else if (c === ']') inClass = false;
    else if (c === '\n' || (c === '/' && !inClass)) return i;
  }
  return text.length;
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let i = 0; i < index; i++) if (text[i] === '\n') line++;
  return line;
}

function findRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}
