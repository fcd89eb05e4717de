// Writes the pages of docs/ that derive from catalogues in the source. Run with: npm run docs
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CATALOGUE } from '../dist/src/cli/catalogue.js';
import { commandsMarkdown, configMarkdown } from '../dist/src/cli/docs.js';

const docs = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs');
writeFileSync(join(docs, 'commands.md'), commandsMarkdown(CATALOGUE));
writeFileSync(join(docs, 'config.md'), configMarkdown());
