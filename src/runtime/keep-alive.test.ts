import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../services/data-exchange/exchange.testkit.ts';
import { KeepAlive } from './keep-alive.ts';
import { FakeMessagePipe } from './message-pipe.testkit.ts';

function world(silence?: number) {
  const clock = new ManualClock();
  const pipe = new FakeMessagePipe();
  const alive = new KeepAlive(pipe, clock, silence);
  return { clock, pipe, alive };
}

test('asks after 30 s of silence, and cuts what does not answer within 10 s', async () => {
  const { clock, pipe } = world();
  await clock.advance(29_999);
  assert.equal(pipe.pings, 0);
  await clock.advance(1);
  assert.equal(pipe.pings, 1);
  await clock.advance(9_999);
  assert.equal(pipe.ended, undefined);
  await clock.advance(1);
  assert.equal(pipe.ended, 'destroyed');
});

test('who is heard is not asked, and an answer counts', async () => {
  const { clock, pipe, alive } = world();
  for (let i = 0; i < 10; i++) {
    await clock.advance(25_000);
    alive.heard();
  }
  assert.equal(pipe.pings, 0);
  for (let i = 1; i <= 3; i++) {
    await clock.advance(30_000);
    assert.equal(pipe.pings, i);
    pipe.signs();
  }
  await clock.advance(29_999);
  assert.equal(pipe.ended, undefined);
});

test('of two sides only the one with the shorter patience asks', async () => {
  const near = world(25_000);
  const far = world();
  for (let second = 0; second < 600; second++) {
    const before = near.pipe.pings;
    await near.clock.advance(1_000);
    await far.clock.advance(1_000);
    if (near.pipe.pings > before) {
      far.pipe.signs();
      near.pipe.signs();
    }
  }
  assert.equal(far.pipe.pings, 0);
  assert.equal(near.pipe.pings, 24);
});

test('who sends and hears nothing doubts sooner, but not all the time', async () => {
  const { clock, pipe, alive } = world();
  alive.expecting(2_000, 1_000);
  assert.equal(pipe.pings, 0, 'it was heard a moment ago');
  await clock.advance(2_000);
  alive.expecting(2_000, 1_000);
  alive.expecting(2_000, 1_000);
  assert.equal(pipe.pings, 1);
  pipe.signs();
  alive.expecting(2_000, 1_000);
  assert.equal(pipe.pings, 1);
  await clock.advance(2_500);
  alive.expecting(2_000, 1_000);
  await clock.advance(1_000);
  assert.equal(pipe.ended, 'destroyed');
});
