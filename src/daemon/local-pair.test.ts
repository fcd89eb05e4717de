import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { concat } from '../base/bytes.ts';
import { localPair } from './local-pair.ts';
import { connOf } from './stream-host.ts';

const ENDS = {
  local: { address: { network: 0, node: 1 }, port: 1001 },
  remote: { address: { network: 0, node: 2 }, port: 50_000 },
};

function pair() {
  const [near, far] = localPair([1, 2], ENDS);
  return [connOf(near), connOf(far)] as const;
}

async function readAll(conn: ReturnType<typeof pair>[number]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read()) chunks.push(chunk);
  return concat(...chunks);
}

describe('a stream within the daemon', () => {
  test('carries any bytes both ways, whatever their size, and ends when they are read', async () => {
    const sizes = fc.array(fc.nat(200_000), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (there, back) => {
        const [near, far] = pair();
        const write = async (conn: typeof near, lengths: number[]): Promise<void> => {
          for (const length of lengths) await conn.write(new Uint8Array(length).fill(length & 255));
        };
        const [, , received] = await Promise.all([
          write(near, there),
          write(far, back),
          (async () => {
            const total = there.reduce((sum, length) => sum + length, 0);
            let got = 0;
            while (got < total) got += (await far.read())!.length;
            return got;
          })(),
          (async () => {
            const total = back.reduce((sum, length) => sum + length, 0);
            let got = 0;
            while (got < total) got += (await near.read())!.length;
          })(),
        ]);
        const closed = near.close();
        assert.equal((await readAll(far)).length, 0);
        await closed;
        return received === there.reduce((sum, length) => sum + length, 0);
      }),
      { numRuns: 30 },
    );
  });

  test('goes on in one direction when the other has ended', async () => {
    const [near, far] = pair();
    await near.write(new Uint8Array(10));
    await near.endWriting();
    assert.equal((await readAll(far)).length, 10);
    await far.write(new Uint8Array(20));
    const closing = far.close();
    assert.equal((await readAll(near)).length, 20);
    await Promise.all([closing, near.close()]);
  });

  test('makes a writer wait for a reader, and holds no more than its window', async () => {
    const [near, far] = localPair([1, 2], ENDS);
    assert.equal(near.write(new Uint8Array(300_000)), 256 * 1024);
    assert.equal(near.write(new Uint8Array(1)), 0);
    let writable = 0;
    near.observe({ readable() {}, writable: () => writable++, finished() {}, closed() {} });
    far.read(1000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(writable, 1);
    assert.ok(near.write(new Uint8Array(1)) === 1);
  });

  test('a reset reaches the other side after what had arrived', async () => {
    const [near, far] = pair();
    await near.write(new Uint8Array(10));
    near.abort();
    assert.equal((await far.read())!.length, 10);
    await assert.rejects(far.read(), { code: 'connection_failed' });
    await assert.rejects(far.write(new Uint8Array(1)));
  });

  test('what is written to somebody who has closed is dropped, as on any stream', async () => {
    const [near, far] = pair();
    const closed = near.close();
    await far.write(new Uint8Array(1_000_000));
    assert.equal(await far.read(), undefined);
    await closed;
    await far.close();
  });
});
