import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameWriter } from './frame-writer.ts';
import { pipePair } from './pipe.testkit.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function frames(): { writer: FrameWriter; got: string[]; read(): void } {
  const [mine, theirs] = pipePair({ highWater: 8 });
  const got: string[] = [];
  theirs.pause();
  theirs.onData((data) => got.push(Buffer.from(data).toString()));
  return { writer: new FrameWriter(mine), got, read: () => theirs.resume() };
}

describe('the frame writer', () => {
  test('lets a datagram overtake what waits for a slow reader', async () => {
    const { writer, got, read } = frames();
    writer.push(Buffer.from('bulk in the pipe'));
    await turn();
    assert.ok(writer.congested);
    writer.push(Buffer.from('bulk behind'));
    assert.ok(writer.pushAhead(Buffer.from('datagram')));
    read();
    for (let i = 0; i < 5; i++) await turn();
    assert.deepEqual(got.join(' | '), 'bulk in the pipe | datagrambulk behind');
  });

  test('keeps no more than 256 KiB of datagrams for a client that does not read, and goes on when it does', async () => {
    const { writer, got, read } = frames();
    writer.push(Buffer.from('bulk in the pipe'));
    await turn();
    let taken = 0;
    for (let i = 0; i < 1000; i++) if (writer.pushAhead(new Uint8Array(1024))) taken++;
    assert.equal(taken, 256);
    read();
    for (let i = 0; i < 20; i++) await turn();
    assert.equal(got.join('').length, 16 + 256 * 1024);
    assert.ok(writer.pushAhead(new Uint8Array(1024)));
  });

  test('a burst of one turn is not cut while the client reads', async () => {
    const { writer, got, read } = frames();
    read();
    for (let i = 0; i < 300; i++) assert.ok(writer.pushAhead(new Uint8Array(1024)) || writer.congested);
    for (let i = 0; i < 400; i++) await turn();
    assert.ok(got.join('').length >= 256 * 1024);
  });
});
