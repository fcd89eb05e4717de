import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PilotError } from '../api/errors.ts';
import { TestClock, TestSink } from './cli.testkit.ts';
import { Output, PartialFailure, QuietFailure, stableJson } from './output.ts';
import { showProgress } from './progress.ts';

function outputTo(json: boolean, terminal = false): { output: Output; stdout: TestSink; stderr: TestSink } {
  const [stdout, stderr] = [new TestSink(terminal), new TestSink(terminal)];
  return { output: new Output(json, stdout, stderr), stdout, stderr };
}

test('JSON keys are in order at every depth', () => {
  assert.equal(
    stableJson({ b: [{ d: 1, c: 2 }], a: { z: null, y: 'x' } }),
    '{"a":{"y":"x","z":null},"b":[{"c":2,"d":1}]}',
  );
});

test('success with JSON is one line on stdout and nothing else', () => {
  const { output, stdout, stderr } = outputTo(true);
  output.line('human only');
  output.note('human only');
  output.received(new Uint8Array([104, 105]));
  output.result({ data: { b: 1, a: 2 }, human: 'human only' });
  assert.equal(stdout.text, '{"data":{"a":2,"b":1},"status":"ok"}\n');
  assert.equal(stderr.text, '');
});

test('failure with JSON is one line on stderr and nothing on stdout', () => {
  const { output, stdout, stderr } = outputTo(true);
  output.failure(new PilotError('not_found', 'Cannot find "x"', { hint: 'look elsewhere' }));
  assert.equal(stdout.text, '');
  assert.equal(
    stderr.text,
    '{"code":"not_found","hint":"look elsewhere","message":"Cannot find \\"x\\"","status":"error"}\n',
  );
});

test('failure for people is two lines on stderr', () => {
  const { output, stdout, stderr } = outputTo(false);
  output.failure(new PilotError('not_found', 'Cannot find "x"', { hint: 'look elsewhere' }));
  assert.equal(stdout.text, '');
  assert.equal(stderr.text, 'error: Cannot find "x"\nhint:  look elsewhere\n');
});

test('data without human text is shown as indented JSON', () => {
  const { output, stdout } = outputTo(false);
  output.result({ data: { b: 1, a: [] } });
  assert.equal(stdout.text, '{\n  "a": [],\n  "b": 1\n}\n');
});

test('what did happen travels with a failure', () => {
  const { output, stderr } = outputTo(true);
  output.failure(
    new PartialFailure(new PilotError('timeout', 'Too late', { hint: 'wait' }), { messages: [1] }),
  );
  assert.deepEqual(JSON.parse(stderr.text), {
    code: 'timeout',
    data: { messages: [1] },
    hint: 'wait',
    message: 'Too late',
    status: 'error',
  });
});

test('a quiet check says nothing to people', () => {
  const { output, stderr } = outputTo(false);
  output.failure(new QuietFailure('not_running', 'The daemon is not running'));
  assert.equal(stderr.text, '');
});

test('an exception that is no PilotError is reported as internal', () => {
  const { output, stderr } = outputTo(true);
  output.failure(new Error('boom'));
  assert.equal(JSON.parse(stderr.text).code, 'internal');
});

test('received bytes go to a file untouched, and to a terminal made safe', () => {
  const bytes = new TextEncoder().encode('\u001b[2Jhello');
  const file = outputTo(false);
  file.output.received(bytes);
  assert.equal(file.stdout.text, '\u001b[2Jhello');
  const terminal = outputTo(false, true);
  terminal.output.received(bytes);
  assert.equal(terminal.stdout.text, '\\u001b[2Jhello\n');
});

test('progress in a log is at most a line for each tenth, and one every two seconds', async () => {
  const [sink, clock] = [new TestSink(), new TestClock()];
  const progress = showProgress(sink, clock, { label: 'model.bin', total: 1000 }, false);
  for (let done = 1; done <= 1000; done++) {
    progress.update(done);
    if (done % 50 === 0) await clock.advance(1000);
  }
  progress.stop();
  assert.deepEqual(
    sink.text.split('\n').map((line) => /^model\.bin (\d+)% \(.* of 1\.0 KB\)$/.exec(line)?.[1]),
    ['10', '20', '30', '40', '50', '60', '70', '80', '90', undefined],
  );
  const quick = new TestSink();
  const short = showProgress(quick, clock, { label: 'x', total: 1000 }, false);
  for (let done = 1; done <= 1000; done++) short.update(done);
  assert.equal(quick.text, '');
});

test('a quick transfer, an empty one, and one with JSON show no progress', () => {
  for (const [total, quiet] of [
    [1000, false],
    [0, false],
    [1000, true],
  ] as const) {
    const sink = new TestSink(true);
    const progress = showProgress(sink, new TestClock(), { label: 'x', total }, quiet);
    progress.update(total);
    progress.stop();
    assert.equal(sink.text, '');
  }
});

test('a terminal gets a bar that leaves nothing behind', async () => {
  const [sink, clock] = [new TestSink(true), new TestClock()];
  const progress = showProgress(
    sink,
    clock,
    { label: 'model.bin', total: 2_000_000, from: 1_000_000 },
    false,
  );
  await clock.advance(1000);
  progress.update(1_500_000);
  progress.stop();
  assert.match(sink.text, /model\.bin \[.*\] 75% \| 1\.5 MB of 2\.0 MB \| 500 KB\/s \| 1s left/);
});
