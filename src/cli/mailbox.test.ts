import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestMachine } from './cli.testkit.ts';
import { matching, readMailbox, shortIds } from './mailbox.ts';

const DIR = '/home/1000/.pilot/inbox';

function stored(type: string, receivedAt: string, data: object): string {
  return JSON.stringify({ type, from: '0:0000.0000.0001', bytes: 2, received_at: receivedAt, ...data });
}

async function mailbox(files: Record<string, string>) {
  const machine = new TestMachine();
  for (const [name, data] of Object.entries(files))
    machine.files.set(`${DIR}/${name}`, { data, owner: 1000 });
  return readMailbox(machine.host().files, DIR);
}

test('messages are in order of time, whatever their type', async () => {
  const { messages, unreadable } = await mailbox({
    'TEXT-20261122-120000.000-000002.json': stored('TEXT', '2026-11-22T12:00:00.000Z', { data: 'second' }),
    'JSON-20261122-130000.000-000003.json': stored('JSON', '2026-11-22T13:00:00.000Z', { data: '{}' }),
    'TEXT-20261122-110000.000-000001.json': stored('TEXT', '2026-11-22T12:00:00+01:00', { data: 'first' }),
    'half.json': '{"type":"TE',
    '.hidden.json': '{}',
    'notes.txt': 'not ours',
  });
  assert.deepEqual(
    messages.map(({ id }) => id.slice(-6)),
    ['000001', '000002', '000003'],
  );
  assert.deepEqual(unreadable, ['half.json']);
});

test('a message is named by its id, an ending of it, or latest', async () => {
  const { messages } = await mailbox({
    'TEXT-20261122-110000.000-000001.json': stored('TEXT', '2026-11-22T11:00:00Z', { data: 'a' }),
    'TEXT-20261122-120000.000-000001.json': stored('TEXT', '2026-11-22T12:00:00Z', { data: 'b' }),
    'TEXT-20261122-130000.000-000002.json': stored('TEXT', '2026-11-22T13:00:00Z', { data: 'c' }),
  });
  const data = (wanted: string): unknown[] => matching(messages, wanted).map((message) => message.data);
  assert.deepEqual(data('000002'), ['c']);
  assert.deepEqual(data('000001'), ['a', 'b']);
  assert.deepEqual(data('120000.000-000001'), ['b']);
  assert.deepEqual(data('TEXT-20261122-110000.000-000001'), ['a']);
  assert.deepEqual(data('latest'), ['c']);
  assert.deepEqual(data('1'), []);
  assert.deepEqual([...shortIds(messages).values()], ['110000.000-000001', '120000.000-000001', '000002']);
});

test('an inbox that does not exist is empty', async () => {
  assert.deepEqual(await readMailbox(new TestMachine().host().files, '/nowhere'), {
    messages: [],
    unreadable: [],
  });
});
