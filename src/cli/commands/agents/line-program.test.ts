import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8, utf8 } from '../../../base/bytes.ts';
import type { HandlerReply, IncomingMessage } from '../../../sdk/message-service.ts';
import { settle, TestClock } from '../../cli.testkit.ts';
import type { Answerers, LineProgram } from '../../host.ts';
import { LineAnswerer } from './line-program.ts';

class FakeProgram implements LineProgram {
  readonly got: Record<string, unknown>[] = [];
  #lines: string[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  write(line: string): void {
    this.got.push(JSON.parse(line) as Record<string, unknown>);
  }
  says(line: object | string): void {
    this.#lines.push(typeof line === 'string' ? line : JSON.stringify(line));
    this.#wake?.();
  }
  async nextLine(): Promise<string | undefined> {
    while (this.#lines.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#lines.shift();
  }
  stop(): void {
    this.#ended = true;
    this.#wake?.();
  }
}

function answering() {
  const programs: FakeProgram[] = [];
  const remarks: string[] = [];
  const clock = new TestClock();
  const answerer = new LineAnswerer({
    answerers: {
      start: () => {
        programs.push(new FakeProgram());
        return programs.at(-1)!;
      },
    } as unknown as Answerers,
    clock,
    command: 'agent',
    lineLimit: 1000,
    onEnd: (text) => remarks.push(text),
  });
  const ask = (data: Uint8Array, type: IncomingMessage['type'] = 'text'): Promise<HandlerReply> => {
    const message = {
      from: '0:0000.0000.0007',
      node: 7,
      name: 'g',
      type,
      data,
      text: fromUtf8(data),
      messageId: 'm',
    };
    const asked = answerer.answer(message, new AbortController().signal);
    asked.catch(() => {});
    return asked;
  };
  return { programs, remarks, clock, ask };
}

describe('one program for all messages', () => {
  test('gets a line for each, and may answer in any order', async () => {
    const { programs, ask } = answering();
    const [first, second] = [ask(utf8('one')), ask(Uint8Array.of(0xff), 'binary')];
    await settle();
    const [program] = programs;
    assert.deepEqual(program!.got, [
      { id: '1', type: 'text', from: '0:0000.0000.0007', node: 7, name: 'g', message_id: 'm', data: 'one' },
      {
        id: '2',
        type: 'binary',
        from: '0:0000.0000.0007',
        node: 7,
        name: 'g',
        message_id: 'm',
        data_b64: '/w==',
      },
    ]);
    program!.says({ id: 2, data_b64: 'AAE=' });
    program!.says('');
    program!.says({ id: '1', data: { answer: 42 } });
    assert.deepEqual(await second, { type: 'binary', data: Uint8Array.of(0, 1) });
    assert.deepEqual(await first, { type: 'json', data: utf8('{"answer":42}') });
    assert.equal(programs.length, 1);
  });

  test('may answer text, nothing, or with a reason why not', async () => {
    const { programs, remarks, ask } = answering();
    const asked = [ask(utf8('a')), ask(utf8('b')), ask(utf8('c')), ask(utf8('d'))];
    await settle();
    const [program] = programs;
    program!.says({ id: '1', data: 'text' });
    program!.says({ id: '2' });
    program!.says({ id: '3', error: 'too hard' });
    program!.says({ id: '4', data_b64: '?' });
    program!.says('not json');
    program!.says({ id: '9', data: 'for nobody' });
    assert.equal(await asked[0], 'text');
    assert.equal(await asked[1], undefined);
    await assert.rejects(asked[2]!, { code: 'internal', message: 'too hard' });
    await assert.rejects(asked[3]!, { code: 'internal' });
    await settle();
    assert.equal(remarks.length, 2);
  });

  test('that ends fails what it was asked, and is started again with the next message, not too often', async () => {
    const { programs, clock, ask } = answering();
    const lost = ask(utf8('a'));
    await settle();
    programs[0]!.stop();
    await assert.rejects(lost, { code: 'unavailable' });
    const next = ask(utf8('b'));
    await settle();
    assert.equal(programs.length, 1);
    await clock.advance(200);
    assert.equal(programs.length, 2);
    programs[1]!.says({ id: '2', data: 'back' });
    assert.equal(await next, 'back');
    programs[1]!.stop();
    await settle();
    void ask(utf8('c'));
    await clock.advance(200);
    assert.equal(programs.length, 2);
    await clock.advance(200);
    assert.equal(programs.length, 3);
  });
});
