import { readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AcceleratorSetting } from '../../src/api/acceleration.ts';
import { PilotError } from '../../src/api/errors.ts';
import type { Host, Sink, Source } from '../../src/cli/host.ts';
import { netcheck } from '../../src/daemon/netcheck/netcheck.ts';
// File by file: the index would load the logging library, which only background programs use.
import { accelerate } from '../../src/platform/accelerator.ts';
import { nodeClock } from '../../src/platform/clock.ts';
import { nodeCrypto } from '../../src/platform/crypto.ts';
import { nodeNet } from '../../src/platform/net.ts';
import { passphraseKey } from '../../src/platform/passphrase.ts';
import { nodeRandom } from '../../src/platform/random.ts';
import { nodeStorage } from '../../src/platform/storage.ts';
import { nodeAnswerers } from './answerers.ts';
import { nodeFiles } from './files.ts';
import { fingerprintOf } from './fingerprint.ts';
import { nodeProcesses } from './processes.ts';
import { shell } from './shell.ts';
import { storeFiles } from './store-files.ts';

/** The machine the command line runs on, with the ports that `accelerator` allows; without it, the environment says. */
export function nodeHost(accelerator?: AcceleratorSetting): Host {
  const home = process.env.PILOT_HOME;
  const env = home === undefined || home === '' ? process.env : { ...process.env, PILOT_HOME: resolve(home) };
  const accelerated = accelerate(accelerator);
  const net = nodeNet(accelerated);
  const clock = nodeClock();
  const random = nodeRandom();
  return {
    version: packageVersion(),
    env,
    userHome: homedir(),
    machineRuntime: resolve(env.PILOT_RUNTIME_DIR || join(tmpdir(), 'pilot-local-networks')),
    stdin: stdinSource(),
    stdout: sink(process.stdout),
    stderr: sink(process.stderr),
    ...{ net, clock, random },
    crypto: nodeCrypto(accelerated),
    acceleration: (setting) => accelerate(setting).acceleration,
    passphraseKey,
    files: nodeFiles(),
    stores: storeFiles(),
    processes: nodeProcesses(),
    answerers: nodeAnswerers(),
    storage: nodeStorage,
    absolute: (path) => resolve(path),
    localTime,
    fingerprintOf,
    shell,
    netcheck: (input, signal) => netcheck({ ...{ clock, random }, ...input }, signal),
    onInterrupt,
  };
}

/** The nearest package.json above this file: one level more when compiled. */
function packageVersion(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    try {
      const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
        version?: string;
      };
      if (version !== undefined) return version;
    } catch {
      // Not here: look one level up.
    }
    const parent = dirname(directory);
    if (parent === directory) return '0.0.0';
    directory = parent;
  }
}

function sink(stream: NodeJS.WriteStream): Sink {
  // A reader that went away (`pilotctl ... | head`) ends the program quietly.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns ?? 80;
    },
    write: (data) => stream.write(data),
  };
}

function stdinSource(): Source {
  return {
    isTerminal: process.stdin.isTTY === true,
    async readAll(limit) {
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        length += chunk.length;
        if (length > limit) {
          throw new PilotError('too_large', `Standard input is longer than ${limit} bytes`, {
            hint: 'send large data as a file: pilotctl send-file',
          });
        }
      }
      return Buffer.concat(chunks);
    },
    chunks: () => process.stdin as AsyncIterable<Buffer>,
  };
}

function localTime(when: number): string {
  const date = new Date(when);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The second Ctrl-C ends the program at once. */
function onInterrupt(callback: () => void): () => void {
  let asked = false;
  const handler = (): void => {
    if (asked) process.exit(130);
    asked = true;
    callback();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, handler);
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, handler);
  };
}
