// Calls the accelerator with arguments of every wrong kind, and in every order, until the time is up. Run it under the
// sanitizers (npm run fuzz-accelerator): they end the process at the first byte touched that is not its own.
//   node native/fuzz.mjs [--seconds 60] [--seed N] [--plain]
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const isPlain = process.argv.includes('--plain');
const seconds = numberAfter('--seconds', 60);
const seed = numberAfter('--seed', randomInt(2 ** 32));

function numberAfter(flag, fallback) {
  const at = process.argv.indexOf(flag);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

if (!isPlain && process.env.PILOT_FUZZ_CHILD === undefined) {
  const library = spawnSync(process.env.CXX ?? 'c++', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const child = spawnSync(
    process.execPath,
    ['--expose-gc', ...process.argv.slice(1), '--seed', String(seed)],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        PILOT_FUZZ_CHILD: '1',
        LD_PRELOAD: library.stdout.trim(),
        // Node and V8 leave things behind at their end on purpose.
        ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
        UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
      },
    },
  );
  process.exit(child.status ?? 1);
}

const addon = createRequire(import.meta.url)(
  join(here, isPlain ? 'accelerator.node' : 'accelerator-sanitized.node'),
);

let state = seed >>> 0;
/** mulberry32: below `limit`. */
function below(limit) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % limit;
}
const pick = (list) => list[below(list.length)];

const sizes = [
  0, 1, 11, 12, 15, 16, 17, 20, 32, 36, 37, 64, 100, 128, 1000, 1400, 9000, 65_507, 65_508, 70_000,
];
function bytes(length = pick(sizes)) {
  const from = below(9);
  const array = new Uint8Array(new ArrayBuffer(length + from + below(9)), from, length);
  for (let i = 0; i < Math.min(length, 64); i++) array[i] = below(256);
  return array;
}
function detached() {
  const array = bytes();
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}
const numbers = [
  0,
  1,
  2,
  11,
  12,
  16,
  20,
  30,
  36,
  64,
  100,
  1400,
  65_507,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53,
];
const number = () =>
  pick([pick(numbers), -pick(numbers), below(3000), below(100), 0.5, Number.NaN, Number.POSITIVE_INFINITY]);
const anything = () =>
  pick([
    () => undefined,
    () => null,
    () => true,
    () => 'text',
    () => 'x'.repeat(200),
    () => 12n,
    () => ({}),
    () => [],
    () => Symbol('s'),
    () => () => {},
    () => new Uint16Array(8),
    () => new Float64Array(4),
    () => new DataView(new ArrayBuffer(8)),
    () => new ArrayBuffer(32),
    () => new Uint8Array(new SharedArrayBuffer(64)),
    () => new Proxy(bytes(), {}),
    detached,
    number,
    bytes,
    () => pick(keys),
    () => pick(sockets)?.socket,
  ])();

const keys = [addon.aeadKey(new Uint8Array(32))];
const sockets = [];
let calls = 0;
let refused = 0;

/** One wrong argument now and then; a call may throw, and must not do worse. */
function call(name, args) {
  const given = args.map((arg) => (below(25) === 0 ? anything() : arg));
  if (below(40) === 0) given.length = below(given.length + 1);
  calls++;
  try {
    return addon[name]?.(...given);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    refused++;
    return undefined;
  }
}

/** Sizes that mostly fit together. */
function train() {
  const head = 12 + below(30);
  const checksumAt = pick([-1, -1, 0, 30, below(60)]);
  const body = below(1500);
  const segment = head + body + 16;
  const frames = 1 + below(6);
  const array = bytes((frames - 1) * segment + head + 16 + below(body + 1));
  return { array, segment, head, checksumAt };
}

const host = () =>
  pick(['127.0.0.1', '::1', '::', '0.0.0.0', 'nowhere', '', '::ffff:127.0.0.1', 'fe80::1%lo']);
const actions = [
  () => {
    const key = call('aeadKey', [bytes(32)]);
    if (key !== undefined) keys[below(8)] = key;
    for (let i = 0; i < keys.length; i++) keys[i] ??= keys[0];
  },
  () => call('aeadSeal', [pick(keys), bytes(12), bytes(), bytes(), bytes(), number()]),
  () => {
    const plain = bytes();
    call('aeadSeal', [pick(keys), bytes(12), bytes(8), plain, bytes(plain.length + 16 + below(9)), below(9)]);
  },
  () => call('aeadOpen', [pick(keys), bytes(12), bytes(), bytes(), bytes()]),
  () => {
    const { array, segment, head, checksumAt } = train();
    const aad = bytes(4);
    call('aeadSealTrain', [keys[0], aad, array, segment, head, checksumAt]);
    if (below(3) === 0 && array.length > 0) array[below(array.length)] ^= 1;
    const out = pick([array, bytes(array.length), bytes(), array.subarray(below(8))]);
    call('aeadOpenTrain', [keys[0], aad, array, segment, head, checksumAt, out, bytes(below(8))]);
  },
  () => call('aeadSealTrain', [pick(keys), bytes(), bytes(), number(), number(), number()]),
  () => call('aeadOpenTrain', [pick(keys), bytes(), bytes(), number(), number(), number(), bytes(), bytes()]),
  () => call('crc32', [bytes()]),
  () => call('setOption', [-1, 17, 103, below(2000)]),
  () => {
    if (addon.udpOpen === undefined) return;
    const opened = call('udpOpen', [host(), pick([0, 0, 0, number()]), pick([65_536, number()]), onEvent]);
    if (opened === undefined) return;
    const at = below(12);
    call('udpClose', [sockets[at]?.socket]);
    sockets[at] = opened;
  },
  () => call('udpSend', [pick(sockets)?.socket, host(), destination(), ...packets()]),
  () => call('udpSend', [pick(sockets)?.socket, '127.0.0.1', destination(), ...packets()]),
  () => call('udpSendTrain', [pick(sockets)?.socket, '127.0.0.1', destination(), bytes(), 1 + below(2000)]),
  () => call('udpSendTrain', [pick(sockets)?.socket, host(), destination(), bytes(), number()]),
  () => below(30) === 0 && call('udpClose', [pick(sockets)?.socket]),
  () => below(30) === 0 && (sockets[below(12)] = undefined),
];
const destination = () => pick([pick(sockets)?.port ?? 9, number()]);
function packets() {
  const length = pick(sizes);
  return Array.from({ length: below(70) }, () => (below(20) === 0 ? bytes() : bytes(length)));
}
const kept = [];
function onEvent(received) {
  if (!Array.isArray(received)) return;
  for (const one of received) {
    if (!(one instanceof Uint8Array)) continue;
    one.fill(below(256));
    if (kept.length < 64) kept.push(one);
    else kept[below(64)] = one;
  }
  if (below(20) === 0) call('udpClose', [pick(sockets)?.socket]);
  if (below(200) === 0) pick(actions)();
}

console.log(`seed ${seed}`);
const end = Date.now() + seconds * 1000;
while (Date.now() < end) {
  for (let i = 0; i < 200; i++) pick(actions)();
  if (below(20) === 0) globalThis.gc?.();
  await new Promise((resolve) => setImmediate(resolve));
}
for (const opened of sockets) call('udpClose', [opened?.socket]);
console.log(`${calls} calls, ${refused} refused, nothing else happened`);
// What was dropped without a close is open until it is collected.
process.exit(0);
