// Builds the accelerator where a C++ compiler and Node's headers are at hand; elsewhere everything works without it.
// Run: node native/build.mjs [--sanitize]
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const sanitize = process.argv.includes('--sanitize');
const target = join(here, sanitize ? 'accelerator-sanitized.node' : 'accelerator.node');
const sources = readdirSync(here).filter((name) => /\.(cc|h)$/.test(name));
const newest = Math.max(...sources.map((name) => statSync(join(here, name)).mtimeMs));
if (existsSync(target) && statSync(target).mtimeMs > newest) process.exit(0);

const prefix = dirname(dirname(process.execPath));
const headers = [process.env.npm_config_nodedir ?? prefix, prefix]
  .map((place) => join(place, 'include', 'node'))
  .find((place) => existsSync(join(place, 'node_api.h')) && existsSync(join(place, 'openssl', 'evp.h')));
const compiler = [process.env.CXX, 'c++', 'g++', 'clang++'].find(
  (name) => name && spawnSync(name, ['--version']).status === 0,
);
if (process.platform === 'win32' || headers === undefined || compiler === undefined) {
  console.log('no compiler or no headers of Node: going without the accelerator');
  process.exit(0);
}
const half = `${target}.${process.pid}`;
const built = spawnSync(
  compiler,
  [
    ...['-std=c++17', '-O2', '-Wall', '-Wextra', '-fPIC', '-shared', '-fvisibility=hidden', `-I${headers}`],
    ...(sanitize ? ['-g', '-fsanitize=address,undefined', '-fno-omit-frame-pointer'] : []),
    ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
    ...sources.filter((name) => name.endsWith('.cc')).map((name) => join(here, name)),
    ...['-o', half],
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
if (built.status === 0) renameSync(half, target);
else console.log('the accelerator was not built: going without');
