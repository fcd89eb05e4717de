// Builds the accelerator where a C++ compiler and Node's headers are at hand; elsewhere everything works without it.
//   node native/build.mjs              for this machine, when a source is newer
//   node native/build.mjs --install    the same after an installation: not where what was delivered works
//   node native/build.mjs --prebuild   for delivery, into prebuilt/
//   node native/build.mjs --sanitize   with AddressSanitizer and UBSan, for native/fuzz.mjs
// Ends with 0 whatever happens, but for --prebuild and --sanitize.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MOST_TIME = 180_000;
const here = dirname(fileURLToPath(import.meta.url));
const wants = (flag) => process.argv.includes(flag);
const mustSucceed = wants('--prebuild') || wants('--sanitize');
const prebuilt = join(here, 'prebuilt', `${process.platform}-${process.arch}${libc()}`, 'accelerator.node');
const target = wants('--prebuild')
  ? prebuilt
  : join(here, wants('--sanitize') ? 'accelerator-sanitized.node' : 'accelerator.node');

function goWithout(why) {
  console.log(`${why}: going without the accelerator`);
  process.exit(mustSucceed ? 1 : 0);
}

/** Binaries for glibc do not run on musl. */
function libc() {
  if (process.platform !== 'linux') return '';
  return process.report.getReport().header.glibcVersionRuntime === undefined ? '-musl' : '';
}

/** In a process of its own: a binary for another machine may take the process down. */
function loads(path) {
  const script =
    'const a = require(process.argv[1]); if (a.crc32(Buffer.from("123456789")) !== 0xcbf43926) process.exit(1)';
  return (
    existsSync(path) && spawnSync(process.execPath, ['-e', script, path], { timeout: MOST_TIME }).status === 0
  );
}

/** Directories to include; undefined when a header is missing. */
function headers() {
  const prefix = dirname(dirname(process.execPath));
  const places = [
    process.env.npm_config_nodedir && join(process.env.npm_config_nodedir, 'include', 'node'),
    join(prefix, 'include', 'node'),
    join(homedir(), '.cache', 'node-gyp', process.versions.node, 'include', 'node'),
    '/usr/include/nodejs/src',
  ].filter((place) => place && existsSync(join(place, 'node_api.h')));
  const [place] = places;
  if (place === undefined) return undefined;
  // Systems that build Node with libraries of their own keep these headers beside those libraries.
  const has = (header) => [place, '/usr/include'].some((directory) => existsSync(join(directory, header)));
  return has('openssl/evp.h') && has('uv.h') ? [place] : undefined;
}

function build() {
  const sources = readdirSync(here).filter((name) => /\.(cc|h)$/.test(name));
  const newest = Math.max(...sources.map((name) => statSync(join(here, name)).mtimeMs));
  if (existsSync(target) && statSync(target).mtimeMs > newest) return;
  if (wants('--install') && loads(prebuilt)) return;
  if (process.platform === 'win32') goWithout('there is none for this system');
  const compiler = [process.env.CXX, 'c++', 'g++', 'clang++'].find(
    (name) => name && spawnSync(name, ['--version']).status === 0,
  );
  if (compiler === undefined) goWithout('no C++ compiler');
  const includes = headers();
  if (includes === undefined) goWithout('no headers of Node');
  mkdirSync(dirname(target), { recursive: true });
  // Named as Node wants it.
  const half = target.replace(/node$/, `${process.pid}.node`);
  const built = spawnSync(
    compiler,
    [
      ...['-std=c++17', '-O2', '-Wall', '-Wextra', '-fPIC', '-shared', '-fvisibility=hidden'],
      ...includes.map((directory) => `-I${directory}`),
      ...(wants('--sanitize')
        ? ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer']
        : []),
      ...(wants('--prebuild') && process.platform === 'linux'
        ? ['-static-libstdc++', '-static-libgcc', '-s']
        : []),
      ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
      ...sources.filter((name) => name.endsWith('.cc')).map((name) => join(here, name)),
      ...['-o', half],
    ],
    { stdio: ['ignore', 'inherit', 'inherit'], timeout: MOST_TIME },
  );
  const works = built.status === 0 && (wants('--sanitize') || loads(half));
  if (works) renameSync(half, target);
  else rmSync(half, { force: true });
  if (!works) goWithout('it was not built');
}

try {
  build();
} catch (error) {
  goWithout(String(error));
}
