/**
 * Stacks of others, in a folder of their own with packages of their own: `bench/rivals`. Each is a file there that
 * exports `listen` and `dial` of a `Stack`. Nothing of it belongs to the product.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PROJECT } from '../../lab/stage.ts';
import type { Stack } from './stack.ts';

const FOLDER = join(PROJECT, 'bench', 'rivals');

export const RIVALS = [
  { id: 'libp2p', name: 'js-libp2p (TCP, Noise, yamux)', packages: ['libp2p', '@libp2p/tcp'] },
  { id: 'hyperdht', name: 'hyperdht (Noise, native UDX)', packages: ['hyperdht'] },
  { id: 'datachannel', name: 'node-datachannel (WebRTC, native)', packages: ['node-datachannel'] },
] as const;

export async function rivalStack(id: string): Promise<Stack> {
  return (await import(pathToFileURL(join(FOLDER, `${id}.mjs`)).href)) as Stack;
}

/** Installs what is missing, once. Returns why that failed, or undefined. */
export function installRivals(): string | undefined {
  const complete = RIVALS.every(({ packages }) =>
    packages.every((name) => existsSync(join(FOLDER, 'node_modules', name, 'package.json'))),
  );
  if (complete) return undefined;
  console.error('installing the rivals into bench/rivals...');
  const words = ['install', '--no-audit', '--no-fund', '--no-save', '--loglevel=error'];
  const ran = spawnSync('npm', words, { cwd: FOLDER, encoding: 'utf8', timeout: 300_000 });
  if (ran.status === 0) return undefined;
  return `npm install in bench/rivals failed: ${ran.stderr.trim().split('\n')[0] ?? ran.status}`;
}

/** Version of a rival's first package, or why it is absent. */
export function rivalVersion(id: string): { version: string } | { absent: string } {
  const rival = RIVALS.find((candidate) => candidate.id === id)!;
  try {
    const text = readFileSync(join(FOLDER, 'node_modules', rival.packages[0], 'package.json'), 'utf8');
    return { version: (JSON.parse(text) as { version: string }).version };
  } catch {
    return { absent: 'not installed' };
  }
}
