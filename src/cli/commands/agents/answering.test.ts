import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8, utf8 } from '../../../base/bytes.ts';
import type { HandlerReply, IncomingMessage } from '../../../sdk/message-service.ts';
import type { Answerers } from '../../host.ts';
import { answerByCommand, answerByUrl, contentOf, withConventions } from './answering.ts';

const { signal } = new AbortController();
const LIMITS = { output: 1000 };

function message(text: string, more: Partial<IncomingMessage> = {}): IncomingMessage {
  const data = utf8(text);
  return {
    from: '0:0000.0000.0007',
    node: 7,
    name: 'node-g',
    type: 'text',
    data,
    text,
    messageId: 'm1',
    ...more,
  };
}

const none: Answerers = {
  run: () => Promise.reject(new Error('not used')),
  start: () => {
    throw new Error('not used');
  },
  post: () => Promise.reject(new Error('not used')),
};

describe('a command that answers', () => {
  test('is told who asks, and gets the message on standard input only', async () => {
    const given: unknown[] = [];
    const answerers: Answerers = {
      ...none,
      run: async (command, { env, input, limit }) => {
        given.push(command, env, fromUtf8(input), limit);
        return { ending: 0, output: utf8('two\nlines\n') };
      },
    };
    const hostile = '$(reboot); `reboot` \' " \0';
    assert.equal(await answerByCommand(answerers, 'wc -w', LIMITS)(message(hostile), signal), 'two\nlines');
    assert.deepEqual(given, [
      'wc -w',
      {
        PILOT_PEER_ADDRESS: '0:0000.0000.0007',
        PILOT_PEER_NODE: '7',
        PILOT_PEER_NAME: 'node-g',
        PILOT_MESSAGE_ID: 'm1',
        PILOT_MESSAGE_TYPE: 'text',
        PILOT_REPLY_TO: '',
      },
      hostile,
      1000,
    ]);
  });

  test('fails with its status, and tells the sender nothing of what it wrote', async () => {
    for (const [ending, how] of [
      [3, 'with status 3'],
      ['SIGSEGV', 'by SIGSEGV'],
    ] as const) {
      const answerers = { ...none, run: async () => ({ ending, output: utf8('secret') }) };
      await assert.rejects(async () => answerByCommand(answerers, 'x', LIMITS)(message('?'), signal), {
        code: 'internal',
        message: `The command of the service ended ${how}`,
      });
    }
  });
});

describe('an HTTP server that answers', () => {
  const posting = (status: number, contentType: string, body: string | Uint8Array) => {
    const requests: { url: string; headers: Record<string, string>; body: string }[] = [];
    const answerers: Answerers = {
      ...none,
      post: async (url, { headers, body: sent }) => {
        requests.push({ url, headers: { ...headers }, body: fromUtf8(sent) });
        return { status, contentType, body: typeof body === 'string' ? utf8(body) : body };
      },
    };
    const ask = async (question: IncomingMessage): Promise<HandlerReply> =>
      answerByUrl(answerers, 'http://localhost/x', LIMITS)(question, signal);
    return { requests, ask };
  };

  test('gets the message as body and the sender in headers', async () => {
    const { requests, ask } = posting(200, 'text/plain', 'fine\n');
    assert.equal(await ask(message('how?')), 'fine');
    assert.deepEqual(requests[0], {
      url: 'http://localhost/x',
      headers: {
        'x-pilot-peer-address': '0:0000.0000.0007',
        'x-pilot-peer-node': '7',
        'x-pilot-peer-name': 'node-g',
        'x-pilot-message-id': 'm1',
        'content-type': 'text/plain; charset=utf-8',
      },
      body: 'how?',
    });
  });

  test('gets what follows /data as JSON, and its JSON goes back as JSON', async () => {
    const { requests, ask } = posting(200, 'application/json; charset=utf-8', '{"b":2}');
    const reply = await ask(message('/data {"a": 1}'));
    assert.equal(requests[0]!.body, '{"a": 1}');
    assert.equal(requests[0]!.headers['content-type'], 'application/json');
    assert.deepEqual(reply, { type: 'json', data: utf8('{"b":2}') });
    await assert.rejects(ask(message('/data {a')), { code: 'invalid_argument' });
  });

  test('passes bytes as bytes, and failures as failures', async () => {
    const bytes = Uint8Array.of(0xff, 0);
    assert.deepEqual(await posting(200, 'image/png', bytes).ask(message('?')), {
      type: 'binary',
      data: bytes,
    });
    for (const [status, code] of [
      [404, 'invalid_argument'],
      [302, 'invalid_argument'],
      [429, 'rate_limited'],
      [503, 'rate_limited'],
      [500, 'internal'],
    ] as const) {
      await assert.rejects(posting(status, 'text/plain', 'x').ask(message('?')), { code });
    }
  });

  test('is never given a header a registry could have broken', async () => {
    const { requests, ask } = posting(200, '', '');
    await ask(message('?', { name: 'a\r\nx-admin: yes' }));
    assert.ok(!('x-pilot-peer-name' in requests[0]!.headers));
  });
});

describe('the convention of agents (spec/23 §6)', () => {
  const handler = withConventions(() => 'from the program', { help: 'ask me', summary: undefined });

  test('answers what was given, and leaves the rest to the program', async () => {
    assert.equal(await handler(message(' /help\n'), signal), 'ask me');
    assert.equal(await handler(message('/summary'), signal), 'from the program');
    assert.equal(await handler(message('/help', { type: 'binary' }), signal), 'from the program');
  });
});

test('output that is no text is bytes', () => {
  assert.deepEqual(contentOf(Uint8Array.of(0xff)), { type: 'binary', data: Uint8Array.of(0xff) });
  assert.equal(contentOf(utf8('a\n\n')), 'a\n');
  assert.equal(contentOf(utf8('a\r\n')), 'a');
  assert.equal(contentOf(utf8('')), '');
});
