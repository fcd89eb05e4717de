import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { describe, it } from 'node:test';
import { exists, filesBelow, readText, sources } from './sources.testkit.ts';

const pages = [
  ...filesBelow('docs').filter((path) => path.endsWith('.md')),
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'vectors/README.md'].filter(exists),
];

describe('documents', () => {
  it('link only to files that exist', () => {
    const broken = pages.flatMap((page) =>
      [...withoutCode(readText(page)).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)]
        .map(([, target]) => posix.join(posix.dirname(page), target!))
        .filter((target) => !exists(target))
        .map((target) => `${page}: ${target}`),
    );
    assert.deepEqual(broken, []);
  });

  it('name only source and test files that exist', () => {
    const missing = pages
      .filter((page) => !page.startsWith('docs/spec/'))
      .flatMap((page) =>
        [...readText(page).matchAll(/`((?:src|test|bench|lab|bin|tools|vectors)\/[\w./-]+\.\w+)`/g)]
          .map(([, path]) => path!)
          .filter((path) => !exists(path))
          .map((path) => `${page}: ${path}`),
      );
    assert.deepEqual(missing, []);
  });
});

describe('citations of the specification', () => {
  it('in comments name a section that exists', () => {
    const headings = new Map<string, Set<string>>();
    for (const page of filesBelow('docs/spec')) {
      const number = /\/(\d\d)-/.exec(page)?.[1];
      if (number === undefined) continue;
      const sections = [...readText(page).matchAll(/^#{2,4} (\d+(?:\.\d+)*)\.? /gm)].map(
        ([, section]) => section!,
      );
      headings.set(number, new Set(sections));
    }
    const wrong = sources('src', 'bin', 'lab', 'bench', 'test').flatMap(({ path, text }) =>
      [...text.matchAll(/\bspec\/(\d\d)((?:,? (?:and |to )?§\d+(?:\.\d+)*)*)/g)].flatMap(
        ([, page, cited]) => {
          const known = headings.get(page!);
          if (known === undefined) return [`${path}: spec/${page}`];
          return [...cited!.matchAll(/§(\d+(?:\.\d+)*)/g)]
            .filter(([, section]) => !known.has(section!))
            .map(([, section]) => `${path}: spec/${page} §${section}`);
        },
      ),
    );
    assert.deepEqual(wrong, []);
  });
});

/** Code in backticks may hold brackets that only look like links. */
function withoutCode(text: string): string {
  return text.replace(/```.*?```/gs, '').replace(/`[^`\n]*`/g, '');
}
