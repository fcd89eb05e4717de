/**
 * Sends a large file between two daemons and kills, in turn, the sending command, the sending daemon and the receiving
 * daemon in the middle of it. Afterwards the same command finishes the transfer from where it stopped. Checks that the
 * content is right, that nothing incomplete is ever visible, and that memory stays bounded; prints what it measured.
 * Run: node dist/test/e2e/big-file.js [--megabytes 200] [--relay]
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { residentMegabytes, Victims } from './attacks-victims.testkit.ts';

const MB = 1_000_000;
/** Daemons that hold a whole file in memory would exceed this with the 200 MB file. */
const MEMORY_LIMIT_MB = 400;

export interface BigFileOptions {
  readonly megabytes: number;
  /** Direct paths are switched off. */
  readonly relay: boolean;
  /** One transfer without disturbance first, for its speed. */
  readonly measure?: boolean;
  readonly say?: (line: string) => void;
}

export interface BigFileResult {
  readonly sha256: string;
  readonly resumedAt: readonly number[];
  /** MB/s of the undisturbed transfer; undefined when it was not asked for. */
  readonly rate: number | undefined;
  readonly peakMegabytes: { readonly sender: number; readonly receiver: number };
  readonly looks: number;
  /** Lines of progress the commands printed. */
  readonly progress: number;
}

interface Ended {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** One run of `pilotctl send-file`. */
interface Sending {
  readonly ended: Promise<Ended>;
  kill(): void;
}

export async function bigFile(options: BigFileOptions): Promise<BigFileResult> {
  const { megabytes, relay, say = () => {} } = options;
  const size = megabytes * MB;
  const victims = await Victims.open({ relayOnly: relay });
  const watch = new Watch(victims, size);
  try {
    const [path] = (await victims.a.client.peers()).map((peer) => peer.path);
    assert.equal(path === 'relay', relay, `the path is ${path}`);
    const rate = options.measure === true ? await undisturbed(victims, size, say) : undefined;

    const file = join(victims.sandbox.root, 'big.bin');
    const sha256 = makeFile(file, size);
    watch.start();
    let progress = 0;
    let longest = 0;
    const resumedAt: number[] = [];
    const note = (run: Ended): void => {
      longest = Math.max(longest, run.seconds);
      progress += run.stderr.split('\n').filter((line) => /^big\.bin \d+%/.test(line)).length;
    };

    let sending = send(victims, file);
    await watch.reached(0.2, sending);
    sending.kill();
    note(await sending.ended);
    say(`killed the command at ${watch.percent()}`);

    sending = send(victims, file);
    await watch.reached(0.45, sending);
    await victims.kill('a');
    const broken = await sending.ended;
    note(broken);
    assert.notEqual(broken.exit, 0);
    assert.match(broken.stderr, /^error: .+\nhint: {2}.+/m);
    say(`killed the sending daemon at ${watch.percent()}: ${errorIn(broken.stderr)}`);
    await victims.restart('a');

    sending = send(victims, file);
    await watch.reached(0.7, sending);
    await victims.kill('b');
    say(`killed the receiving daemon at ${watch.percent()}`);
    await victims.restart('b');
    let last = await sending.ended;
    note(last);
    if (last.exit === 0) say('the command went on by itself once the receiver was back');
    else {
      say(`the command gave up: ${errorIn(last.stderr)}`);
      last = await send(victims, file).ended;
      note(last);
    }
    assert.equal(last.exit, 0, last.stderr);
    for (const [, at, unit] of last.stdout.matchAll(/resumed at ([\d.]+) (B|kB|MB|GB)/g)) {
      resumedAt.push(Number(at) * { B: 1, kB: 1_000, MB, GB: 1_000 * MB }[unit as 'B']);
    }
    watch.stop();

    // A transfer that is over in a moment shows none.
    assert.ok(progress > 0 || longest < 2, `no progress was shown in ${longest} s`);
    assert.ok(resumedAt.length > 0 && resumedAt[0]! > 0.3 * size, `resumed at ${resumedAt} of ${size}`);
    const sent = (await victims.a.client.peers())[0]!.bytes_sent;
    assert.ok(sent < 0.8 * size, `${sent} bytes were sent after the restart for a file of ${size}`);
    const found = receivedFiles(victims).filter((name) => name.startsWith('big'));
    assert.equal(found.length, 1, `received: ${found}`);
    assert.equal(await hashOf(join(victims.b.node.home, 'received', found[0]!)), sha256);
    assert.deepEqual(readdirSync(join(victims.b.node.home, 'received', '.partial')), []);
    assert.deepEqual(watch.violations, []);
    const { peakMegabytes } = watch;
    assert.ok(
      Math.max(peakMegabytes.sender, peakMegabytes.receiver) < MEMORY_LIMIT_MB,
      JSON.stringify(peakMegabytes),
    );
    return { sha256, resumedAt, rate, peakMegabytes, looks: watch.looks, progress };
  } finally {
    watch.stop();
    await victims.close();
  }
}

function send(victims: Victims, file: string): Sending {
  const child = victims.a.node.start(['send-file', 'victim-b', file]);
  const began = performance.now();
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (code) =>
      resolve({ exit: code ?? 128, stdout, stderr, seconds: (performance.now() - began) / 1000 }),
    ),
  );
  return { ended, kill: () => child.kill('SIGKILL') };
}

async function undisturbed(victims: Victims, size: number, say: (line: string) => void): Promise<number> {
  const file = join(victims.sandbox.root, 'first.bin');
  const sha256 = makeFile(file, size);
  const sent = await victims.a.node.data<{ sha256: string; duration_ms: number }>([
    'send-file',
    'victim-b',
    file,
  ]);
  assert.equal(sent.sha256, sha256);
  const rate = size / MB / (sent.duration_ms / 1000);
  say(`undisturbed: ${size / MB} MB in ${(sent.duration_ms / 1000).toFixed(1)} s, ${rate.toFixed(1)} MB/s`);
  await victims.b.node.data(['received', '--clear']);
  return rate;
}

/** Looks at the receiver's folder all the time, and at the memory of both daemons now and then. */
class Watch {
  readonly violations: string[] = [];
  readonly peakMegabytes = { sender: 0, receiver: 0 };
  looks = 0;
  readonly #victims: Victims;
  readonly #size: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(victims: Victims, size: number) {
    this.#victims = victims;
    this.#size = size;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), 4);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Bytes of the transfer under way. */
  partial(): number {
    const directory = join(this.#victims.b.node.home, 'received', '.partial');
    try {
      return Math.max(0, ...readdirSync(directory).map((name) => statSync(join(directory, name)).size));
    } catch {
      return 0;
    }
  }

  percent(): string {
    return `${((this.partial() / this.#size) * 100).toFixed(0)} %`;
  }

  async reached(share: number, sending: Sending): Promise<void> {
    let over: { exit: number; stderr: string } | undefined;
    void sending.ended.then((ended) => {
      over = ended;
    });
    while (this.partial() < share * this.#size) {
      assert.equal(over, undefined, `the transfer ended before ${share * 100} %: ${over?.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  #look(): void {
    for (const name of receivedFiles(this.#victims)) {
      try {
        const { size } = statSync(join(this.#victims.b.node.home, 'received', name));
        if (size !== this.#size) this.violations.push(`${name} was visible with ${size} bytes`);
      } catch {
        // Gone between the two looks.
      }
    }
    if (this.looks++ % 25 !== 0) return;
    this.#measure('sender', this.#victims.a.node);
    this.#measure('receiver', this.#victims.b.node);
  }

  #measure(who: 'sender' | 'receiver', node: { readonly pid: number }): void {
    try {
      const megabytes = residentMegabytes(node.pid);
      if (megabytes > this.peakMegabytes[who]) this.peakMegabytes[who] = megabytes;
    } catch {
      // It has just been killed.
    }
  }
}

/** Everything in the folder itself, hidden or not. */
function receivedFiles(victims: Victims): string[] {
  try {
    return readdirSync(join(victims.b.node.home, 'received'), { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function makeFile(path: string, size: number): string {
  const hash = createHash('sha256');
  writeFileSync(path, '');
  for (let left = size; left > 0; ) {
    const block = randomBytes(Math.min(left, 8 * MB));
    writeFileSync(path, block, { flag: 'a' });
    hash.update(block);
    left -= block.length;
  }
  return hash.digest('hex');
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function errorIn(stderr: string): string {
  return /^error: (.+)$/m.exec(stderr)?.[1] ?? stderr.trim();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const at = process.argv.indexOf('--megabytes');
  const megabytes = at < 0 ? 200 : Number(process.argv[at + 1]);
  const relay = process.argv.includes('--relay');
  console.log(`${megabytes} MB, ${relay ? 'relayed' : 'direct'}`);
  const result = await bigFile({ megabytes, relay, measure: true, say: (line) => console.log(line) });
  const { resumedAt, peakMegabytes, looks, progress, sha256 } = result;
  console.log(
    `same SHA-256 ${sha256}; resumed at ${resumedAt.map((bytes) => `${(bytes / MB).toFixed(0)} MB`)}`,
  );
  console.log(`looked ${looks} times: nothing incomplete was visible; ${progress} lines of progress`);
  console.log(
    `largest memory: sender ${peakMegabytes.sender.toFixed(0)} MB, receiver ${peakMegabytes.receiver.toFixed(0)} MB`,
  );
}
