/**
 * A Chromium for tests and pictures. The one of npm needs nothing installed; where it does not start, one on the PATH
 * is taken.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const ARGUMENTS = ['--no-sandbox', '--disable-setuid-sandbox', '--no-zygote', '--font-render-hinting=none'];
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Throws with what to do when none starts. */
export async function openBrowser(): Promise<Browser> {
  const problems: string[] = [];
  for (const candidate of await candidates()) {
    try {
      return await chromium.launch({ ...candidate, args: ARGUMENTS, headless: true });
    } catch (error) {
      const text = error instanceof Error ? error.message.split('\n')[0] : String(error);
      problems.push(`${candidate.executablePath}: ${text}`);
    }
  }
  throw new Error(
    `No Chromium starts. Install one that does: apt-get install chromium (or chromium-browser)\n${problems.join('\n')}`,
  );
}

interface Candidate {
  readonly executablePath: string;
  readonly env?: Record<string, string>;
}

async function candidates(): Promise<Candidate[]> {
  const found: Candidate[] = [];
  const unpacked = await unpack().catch(() => undefined);
  if (unpacked !== undefined) {
    const { executablePath, directory } = unpacked;
    const env = { ...(process.env as Record<string, string>) };
    if (!existsSync('/etc/fonts')) env.FONTCONFIG_PATH = join(directory, 'fonts');
    found.push({ executablePath, env });
    // The libraries it is delivered with, where the system has not got them.
    const libraries = [join(directory, 'al2023/lib'), env.LD_LIBRARY_PATH].filter(Boolean).join(':');
    found.push({ executablePath, env: { ...env, LD_LIBRARY_PATH: libraries } });
  }
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      const executablePath = join(directory, name);
      if (existsSync(executablePath)) found.push({ executablePath });
    }
  }
  return found;
}

/** Unpacks npm's Chromium once, beside where it is installed: others can write to the directory of temporary files. */
async function unpack(): Promise<{ readonly executablePath: string; readonly directory: string }> {
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  const modules = entry.slice(0, entry.lastIndexOf(join('node_modules', '@sparticuz')));
  const directory = join(modules, 'node_modules/.cache/pilot-chromium');
  await mkdir(directory, { recursive: true });
  const executablePath = join(directory, 'chromium');
  // It unpacks to the directory of temporary files, and its libraries only where it believes to be in a cloud.
  const before = { TMPDIR: process.env.TMPDIR, AWS_EXECUTION_ENV: process.env.AWS_EXECUTION_ENV };
  const libraries = process.env.LD_LIBRARY_PATH;
  process.env.TMPDIR = directory;
  process.env.AWS_EXECUTION_ENV = 'AWS_Lambda_nodejs22.x';
  try {
    const { default: packed } = await import('@sparticuz/chromium');
    await packed.executablePath();
  } finally {
    for (const [name, value] of Object.entries({ ...before, LD_LIBRARY_PATH: libraries })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
  return { executablePath, directory: dirname(executablePath) };
}
