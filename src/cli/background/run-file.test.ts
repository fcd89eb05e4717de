import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestMachine } from '../cli.testkit.ts';
import { type Claim, claim, holderOf, isClaim } from './run-file.ts';

const PATH = '/home/1000/.pilot/pilot.run';

test('one process at a time holds a run file', async () => {
  const machine = new TestMachine();
  const [first, second] = [machine.host(), machine.host()];
  const mine = await claim(first, PATH, { socket: 'a' });
  assert(isClaim(mine));
  const theirs = await claim(second, PATH, {});
  assert(!isClaim(theirs));
  assert.equal(theirs.pid, first.processes.pid);
  assert.deepEqual(theirs.facts, { socket: 'a' });
  await mine.release();
  assert(isClaim(await claim(second, PATH, {})));
});

test('the record of a dead process is taken over', async () => {
  const machine = new TestMachine();
  const [first, second] = [machine.host(), machine.host()];
  await claim(first, PATH, {});
  machine.kill(first.processes.pid);
  assert.equal(await holderOf(second, PATH), undefined);
  assert(isClaim(await claim(second, PATH, {})));
});

test('a reused pid does not pass for the process that wrote the record', async () => {
  const machine = new TestMachine();
  const [first, second] = [machine.host(), machine.host()];
  await claim(first, PATH, {});
  machine.stamps.set(first.processes.pid, 'boot:another start time');
  assert.equal(await holderOf(second, PATH), undefined);
});

test('a broken record is nobody', async () => {
  const machine = new TestMachine();
  const host = machine.host();
  for (const data of ['', '{', '[]', '{"pid":"1"}', 'null']) {
    machine.files.set(PATH, { data, owner: 1000 });
    assert.equal(await holderOf(host, PATH), undefined);
    const taken = await claim(host, PATH, {});
    assert(isClaim(taken));
    await taken.release();
  }
});

test('releasing removes only the own record', async () => {
  const machine = new TestMachine();
  const [first, second] = [machine.host(), machine.host()];
  const mine = (await claim(first, PATH, {})) as Claim;
  machine.kill(first.processes.pid);
  await claim(second, PATH, {});
  await mine.release();
  assert.equal((await holderOf(second, PATH))?.pid, second.processes.pid);
});

test('of many that find a dead record, one gets it', async () => {
  const machine = new TestMachine();
  const dead = machine.host();
  await claim(dead, PATH, {});
  machine.kill(dead.processes.pid);
  const results = await Promise.all(Array.from({ length: 8 }, () => claim(machine.host(), PATH, {})));
  assert.equal(results.filter(isClaim).length, 1);
});
