import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Attempt, interleaved, race } from './happy-eyeballs.ts';

/** Attempts that end when the test says so, and a pause that does. */
class Track {
  readonly begun: string[] = [];
  readonly abandoned: string[] = [];
  readonly #ends = new Map<string, { resolve(won: string): void; reject(reason: unknown): void }>();
  passed: (() => void) | undefined;
  readonly running: { readonly won: Promise<string>; abandon(reason: unknown): void };

  constructor(addresses: readonly string[]) {
    this.running = race(
      addresses,
      (address) => this.#attempt(address),
      (done) => {
        this.passed = done;
        return {
          cancel: () => {
            if (this.passed === done) this.passed = undefined;
          },
        };
      },
    );
  }

  #attempt(address: string): Attempt<string> {
    this.begun.push(address);
    const won = new Promise<string>((resolve, reject) => {
      this.#ends.set(address, { resolve, reject });
    });
    return { won, abandon: () => this.abandoned.push(address) };
  }

  async connects(address: string): Promise<void> {
    this.#ends.get(address)!.resolve(address);
    await settled();
  }

  async fails(address: string): Promise<void> {
    this.#ends.get(address)!.reject(new Error(address));
    await settled();
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('connecting to several addresses', () => {
  it('alternates between the families', () => {
    assert.deepEqual(interleaved(['::1', '::2', '::3', '1.1.1.1', '2.2.2.2']), [
      ...['::1', '1.1.1.1', '::2', '2.2.2.2', '::3'],
    ]);
    assert.deepEqual(interleaved(['1.1.1.1', '::1', '::2']), ['1.1.1.1', '::1', '::2']);
    assert.deepEqual(interleaved([]), []);
  });

  it('begins with one, and with the next only when time has passed', async () => {
    const track = new Track(['::1', '1.1.1.1', '::2']);
    assert.deepEqual(track.begun, ['::1']);
    track.passed?.();
    assert.deepEqual(track.begun, ['::1', '1.1.1.1']);
    await track.connects('1.1.1.1');
    assert.equal(await track.running.won, '1.1.1.1');
    assert.deepEqual(track.abandoned, ['::1']);
    assert.equal(track.passed, undefined);
  });

  it('does not wait after a failure', async () => {
    const track = new Track(['::1', '1.1.1.1']);
    await track.fails('::1');
    assert.deepEqual(track.begun, ['::1', '1.1.1.1']);
    await track.connects('1.1.1.1');
    assert.equal(await track.running.won, '1.1.1.1');
  });

  it('takes the slow first one when the second fails', async () => {
    const track = new Track(['::1', '1.1.1.1']);
    track.passed?.();
    await track.fails('1.1.1.1');
    await track.connects('::1');
    assert.equal(await track.running.won, '::1');
    assert.deepEqual(track.abandoned, ['1.1.1.1']);
  });

  it('fails with the first failure when all fail, each tried once', async () => {
    const track = new Track(['::1', '1.1.1.1', '::2']);
    const failed = assert.rejects(track.running.won, /::1/);
    track.passed?.();
    await track.fails('1.1.1.1');
    await track.fails('::2');
    await track.fails('::1');
    await failed;
    assert.deepEqual(track.begun, ['::1', '1.1.1.1', '::2']);
  });

  it('can be given up, and then begins nothing more', async () => {
    const track = new Track(['::1', '1.1.1.1']);
    const failed = assert.rejects(track.running.won, /enough/);
    track.running.abandon(new Error('enough'));
    await failed;
    assert.deepEqual(track.abandoned, ['::1']);
    assert.equal(track.passed, undefined);
    await track.fails('::1');
    assert.deepEqual(track.begun, ['::1']);
  });
});
