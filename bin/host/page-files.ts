import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { PageFile, PageFiles } from '../../src/registry/http/index.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The files of the dashboard's page: our modules as they were compiled, what lies beside their sources, and uPlot. */
export async function pageFiles(): Promise<PageFiles> {
  const root = packageRoot();
  const charts = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
  const files = new Map<string, PageFile>();
  const still = join(root, 'src/dashboard/static');
  for (const name of await readdir(still)) {
    files.set(name === 'index.html' ? '/' : `/page/${name}`, await pageFile(join(still, name)));
  }
  const modules = join(root, 'dist/src/dashboard');
  for (const entry of await readdir(modules, { withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js') || entry.name.includes('.test')) continue;
    files.set(`/page/${entry.name}`, await pageFile(join(modules, entry.name)));
  }
  files.set('/page/uplot.js', await pageFile(join(charts, 'dist/uPlot.esm.js')));
  files.set('/page/uplot.css', await pageFile(join(charts, 'dist/uPlot.min.css')));
  return files;
}

async function pageFile(path: string): Promise<PageFile> {
  const body = await readFile(path);
  const type = TYPES[path.slice(path.lastIndexOf('.'))] ?? 'application/octet-stream';
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`;
  return { type, body, gzip: await promisify(gzip)(body), etag };
}

function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}
