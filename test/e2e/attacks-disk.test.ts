/** Full disks: on the receiving node, in the middle of a file, under the state files, and under the registry. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PilotError } from '../../src/api/errors.ts';
import { memorySource } from '../../src/sdk/index.ts';
import { pause } from './attacks-stranger.testkit.ts';
import { type Victim, Victims } from './attacks-victims.testkit.ts';
import { eventually } from './pilotctl.ts';

const MB = 1024 * 1024;

/** A small file system of its own in memory. */
class TinyDisk {
  readonly path: string;

  constructor(path: string, megabytes: number) {
    this.path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'tmpfs', path]);
    if (mounted.status !== 0) throw new Error(`cannot mount: ${mounted.stderr}`);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Fills the disk until only `rest` bytes are left. */
  fill(rest: number): void {
    const file = openSync(join(this.path, 'filler'), 'a');
    try {
      for (let left = this.freeBytes - rest; left > 0; left = this.freeBytes - rest) {
        writeSync(file, Buffer.alloc(Math.min(left, MB), 1));
      }
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  empty(): void {
    rmSync(join(this.path, 'filler'), { force: true });
  }

  unmount(): void {
    spawnSync('umount', ['-l', this.path]);
  }
}

function whyNoDisks(): string | false {
  if (process.platform !== 'linux') return 'mounting a small disk needs Linux';
  if (process.getuid?.() !== 0) return 'mounting a small disk needs root';
  const place = '/tmp';
  const probe = join(place, `pilot-mount-probe-${process.pid}`);
  try {
    new TinyDisk(probe, 1).unmount();
    return false;
  } catch (error) {
    return `this machine refuses to mount: ${(error as Error).message}`;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

describe('a full disk', { skip: whyNoDisks() }, () => {
  let diskOfB: TinyDisk;
  let diskOfRegistry: TinyDisk;
  let victims: Victims;

  before(async () => {
    victims = await Victims.open({
      prepare({ rendezvous, b }) {
        diskOfB = new TinyDisk(b, 80);
        diskOfRegistry = new TinyDisk(rendezvous, 8);
      },
    });
  });
  after(async () => {
    victims?.killAll();
    diskOfB?.unmount();
    diskOfRegistry?.unmount();
    await victims?.close();
  });

  async function rejection(promise: Promise<unknown>): Promise<PilotError> {
    try {
      await promise;
    } catch (error) {
      assert.ok(error instanceof PilotError, String(error));
      return error;
    }
    return assert.fail('it should have been refused');
  }

  function namesBelow(victim: Victim, directory: string): string[] {
    try {
      return readdirSync(join(victim.node.home, directory), { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name);
    } catch {
      return [];
    }
  }

  async function send(text: string): Promise<unknown> {
    return victims.a.client.sendMessage('victim-b', { type: 'text', data: Buffer.from(text) });
  }

  test('of the receiver makes messages and files fail at the sender, who is told why', async () => {
    const inbox = namesBelow(victims.b, 'inbox');
    diskOfB.fill(10 * MB);
    const message = await rejection(send('no room'));
    assert.equal(message.code, 'transfer_failed');
    assert.match(message.message, /no space left on the disk/);
    const file = await rejection(
      victims.a.client.sendFile('victim-b', memorySource('data.bin', randomBytes(2 * MB))),
    );
    assert.equal(file.code, 'transfer_failed');
    assert.match(file.message, /not enough disk space/);
    assert.match(file.hint, /make room/);
    assert.deepEqual(namesBelow(victims.b, 'inbox'), inbox);
    assert.deepEqual(namesBelow(victims.b, 'received'), []);
    assert.ok((await victims.a.client.pingOnce('victim-b')).rtt_ms >= 0);
    diskOfB.empty();
    await send('room again');
    assert.equal(namesBelow(victims.b, 'inbox').length, inbox.length + 1);
  });

  test('in the middle of a file leaves nothing half-written, and the file resumes when there is room', async () => {
    const content = randomBytes(24 * MB);
    const source = memorySource('large.bin', content);
    let filled = false;
    const broken = await rejection(
      victims.a.client.sendFile('victim-b', source, {
        onProgress({ phase, bytes }) {
          if (filled || phase !== 'sending' || bytes < 4 * MB) return;
          filled = true;
          diskOfB.fill(0);
        },
      }),
    );
    assert.equal(broken.code, 'transfer_failed');
    assert.match(broken.message, /ENOSPC|disk space|disk/);
    assert.deepEqual(namesBelow(victims.b, 'received'), []);
    assert.ok((await victims.a.client.pingOnce('victim-b')).rtt_ms >= 0);
    diskOfB.empty();
    const sent = await victims.a.client.sendFile('victim-b', source);
    assert.ok(sent.resumedFrom > 0, 'what had arrived was not sent again');
    const [name] = namesBelow(victims.b, 'received');
    assert.ok(readFileSync(join(victims.b.node.home, 'received', name!)).equals(content));
  });

  test('under the state of a node is told to its user, and what was decided is neither lost nor invented', async () => {
    const { a, b } = victims;
    const trust = readFileSync(join(b.node.home, 'trust.json'));
    diskOfB.fill(0);
    const renamed = await rejection(b.client.setHostname('renamed-b'));
    assert.equal(renamed.code, 'disk_full');
    assert.match(renamed.message, /node\.json/);
    await rejection(b.client.untrust(String(a.id))).then((error) => {
      assert.equal(error.code, 'disk_full');
      assert.match(error.message, /trust\.json/);
    });
    assert.ok(readFileSync(join(b.node.home, 'trust.json')).equals(trust), 'the old file is whole');
    const status = await b.node.data(['daemon', 'status']);
    assert.equal(status.running, true);
    diskOfB.empty();
    // Tried again by itself: the decision reaches the disk.
    await eventually(async () => assert.ok(!readFileSync(join(b.node.home, 'trust.json')).equals(trust)));
    assert.deepEqual(await b.client.trusted(), []);
    await eventually(async () => assert.deepEqual(await a.client.trusted(), []));
    await b.client.setHostname('victim-b');
    await a.client.handshake('victim-b', 'again');
    await eventually(async () => assert.equal((await b.client.pending()).length, 1));
    await b.client.approve(String(a.id));
    await eventually(async () => assert.equal((await a.client.trusted()).length, 1));
    await victims.assertFine();
  });

  test('at the start of a daemon is a clear error, and costs nothing that was on it', async () => {
    const { b } = victims;
    const files = (): Buffer[] =>
      ['identity.json', 'trust.json', 'node.json'].map((name) => readFileSync(join(b.node.home, name)));
    const before = files();
    await victims.kill('b');
    diskOfB.fill(0);
    const error = await b.node.failure(['daemon', 'start']);
    assert.equal(error.code, 'disk_full', error.message);
    assert.match(error.hint, /free some space/);
    diskOfB.empty();
    assert.deepEqual(files(), before);
    await victims.restart('b');
    assert.equal(victims.b.id, b.id);
    assert.equal((await victims.b.client.trusted()).length, 1);
    await eventually(() => victims.assertFine());
  });

  test('under the registry refuses changes, keeps answering questions, and loses nothing it promised', async () => {
    const { a } = victims;
    diskOfRegistry.fill(0);
    let refused: PilotError | undefined;
    const promised: string[] = [];
    for (let i = 0; i < 400 && refused === undefined; i++) {
      const name = `renamed-${i}`;
      await a.client.setHostname(name).then(
        () => promised.push(name),
        (error: PilotError) => {
          refused = error;
        },
      );
    }
    assert.ok(refused !== undefined, 'the log of the store has no more room at some time');
    // Whose disk is full is the operator's business: the log says it.
    assert.equal(refused.code, 'unavailable', refused.message);
    assert.match(
      readFileSync(join(victims.rendezvous.home, 'rendezvous.log'), 'utf8'),
      /disk.full|disk is full/i,
    );
    assert.equal((await victims.b.client.lookup(String(a.id))).node_id, a.id);
    assert.ok((await victims.b.client.pingOnce(String(a.id))).rtt_ms >= 0);
    await pause(100);
    diskOfRegistry.empty();
    const expected = promised.at(-1) ?? 'victim-a';
    assert.equal((await victims.b.client.find(expected)).node_id, a.id);
    await eventually(() => a.client.setHostname('victim-a'));
    await victims.assertFine();
  });
});
