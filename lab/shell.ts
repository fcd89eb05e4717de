/** Runs commands of the operating system for the laboratory. Linux only; nothing here is part of the product. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(command: string, args: readonly string[], input?: string): Ran {
  const result = spawnSync(command, args, { encoding: 'utf8', input, maxBuffer: 64 * 1024 * 1024 });
  return {
    status: result.status ?? 127,
    stdout: result.stdout ?? '',
    stderr: result.stderr ?? (result.error ? String(result.error) : ''),
  };
}

/** Runs and throws when the command fails. */
export function must(command: string, args: readonly string[], input?: string): string {
  const ran = run(command, args, input);
  if (ran.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: exit ${ran.status}: ${ran.stderr.trim()}`);
  return ran.stdout;
}

/** Why namespaces and NAT can't be used here, or undefined when they can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return `network namespaces need Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const [tool, pkg] of [
    ['ip', 'iproute2'],
    ['nft', 'nftables'],
  ] as const) {
    if (!['/usr/sbin', '/sbin', '/usr/bin', '/bin'].some((dir) => existsSync(`${dir}/${tool}`))) {
      return `the command ${tool} is missing (apt-get install ${pkg})`;
    }
  }
  const probe = `pilot-probe-${process.pid}`;
  const added = run('ip', ['netns', 'add', probe]);
  if (added.status !== 0) return `the kernel refuses network namespaces: ${added.stderr.trim()}`;
  try {
    if (run('ip', ['netns', 'exec', probe, 'ip', 'link', 'set', 'lo', 'up']).status !== 0) {
      return 'network namespaces cannot be entered here';
    }
    const nat = run(
      'ip',
      ['netns', 'exec', probe, 'nft', '-f', '-'],
      'table ip t {\n chain c { type nat hook postrouting priority 100; policy accept;\n  masquerade\n }\n}\n',
    );
    if (nat.status !== 0)
      return `nftables cannot translate addresses here: ${nat.stderr.trim().split('\n')[0]}`;
  } finally {
    run('ip', ['netns', 'del', probe]);
  }
  return undefined;
}
