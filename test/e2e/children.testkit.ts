/** Processes that a test starts, listens to and kills. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The script beside a module of this folder: as source under a loader, else as built. */
export function scriptBeside(module: string, name: string): string {
  return fileURLToPath(new URL(`./${name}.${module.endsWith('.ts') ? 'ts' : 'js'}`, module));
}

/** Runs a script as this process is run. It has our standard error, and a pipe on the other two. */
export function startChild(script: string, args: readonly string[]): ChildProcess {
  const flags = process.execArgv.filter((flag) => !flag.startsWith('--test'));
  return spawn(process.execPath, [...flags, script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** What the child prints first. Rejects when it ends without. */
export function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (chunk) => {
      text += String(chunk);
      if (text.endsWith('\n')) resolve(text.trim());
    });
    child.once('exit', (code) => reject(new Error(`a process ended by itself with status ${code}`)));
  });
}

/** SIGKILL; resolves when it is gone. */
export function killChild(child: ChildProcess | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
    child?.kill('SIGKILL');
  });
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
