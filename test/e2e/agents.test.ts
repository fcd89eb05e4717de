import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom } from '../../src/platform/index.ts';
import { PilotClient } from '../../src/sdk/index.ts';
import { AnswerReader } from '../../src/services/data-exchange/answer-reader.ts';
import { DATA_TYPE, encodeDataFrame } from '../../src/wire/data-exchange.ts';
import { eventually, type Node, Sandbox } from './pilotctl.ts';

/** An agent that is started again with other words between tests. */
class Agent {
  readonly #node: Node;
  #child: ChildProcess | undefined;
  said = '';

  constructor(node: Node) {
    this.#node = node;
  }

  async serve(...words: string[]): Promise<void> {
    await this.stop();
    this.said = '';
    const child = this.#node.start(['agent', 'serve', ...words]);
    this.#child = child;
    child.stderr.on('data', (chunk) => {
      this.said += chunk;
    });
    await this.says('answering messages');
  }

  says(text: string): Promise<void> {
    return eventually(async () => assert.ok(this.said.includes(text), `the agent said: ${this.said}`));
  }

  /** Its exit status. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    child.kill('SIGINT');
    return ended;
  }
}

describe('agents, as processes', () => {
  let sandbox: Sandbox;
  let asker: Node;
  let expert: Node;
  let agent: Agent;
  let client: PilotClient;
  let web: Server;

  const ask = (text: string, options: { messageId?: string; timeout?: number } = {}) =>
    client.ask('expert', { type: 'text', data: utf8(text), messageId: options.messageId }, options);
  const answerTo = async (text: string): Promise<string> => fromUtf8((await ask(text)).reply.data);

  before(async () => {
    sandbox = await Sandbox.open();
    asker = sandbox.node('asker');
    expert = sandbox.node('expert');
    await asker.data(['daemon', 'start', '--hostname', 'asker']);
    await expert.data(['daemon', 'start', '--hostname', 'expert', '--public']);
    agent = new Agent(expert);
    client = await PilotClient.connect({
      net: nodeNet(),
      clock: nodeClock(),
      random: nodeRandom(),
      crypto: nodeCrypto(),
      socketPath: join(asker.home, 'pilot.sock'),
    });
    web = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url !== '/ask') response.writeHead(404).end('not here');
        else {
          const { 'x-pilot-peer-node': node, 'content-type': type } = request.headers;
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify({ node, type, body: Buffer.concat(chunks).toString() }));
        }
      });
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  });

  after(async () => {
    client?.close();
    await agent?.stop();
    web?.close();
    await sandbox?.close();
  });

  test('a command answers a private node, which trusts nobody, on the stream of its question', async () => {
    await agent.serve(
      '--command',
      'if grep -q fail; then exit 3; else echo "$PILOT_PEER_ADDRESS asked $PILOT_MESSAGE_ID"; fi',
      ...['--about', 'an expert', '--help-text', 'just ask'],
    );
    const asked = await asker.data<{
      message_id: string;
      reply: Record<string, unknown>;
      reply_after_ms: number;
    }>([...['send-message', 'expert', 'hello', '--wait=10s']]);
    const { message_id: id, reply } = asked;
    assert.equal(reply.data, `0:0000.0000.0001 asked ${id}`);
    assert.equal(reply.reply_to, id);
    assert.equal(reply.via, 'stream');
    assert.equal(reply.type, 'TEXT');
    assert.ok(asked.reply_after_ms >= 0);
    assert.equal(await asker.text(['ask', 'expert', '/summary']), 'an expert');
    assert.equal(await asker.text(['ask', 'expert', '/help', '--wait', '5s']), 'just ask');
    const failed = await asker.failure(['ask', 'expert', 'please fail']);
    assert.equal(failed.code, 'internal');
    assert.match(
      failed.message,
      /^"expert" could not answer: The command of the service ended with status 3$/,
    );
    assert.deepEqual((await asker.data<{ messages: unknown[] }>(['inbox'])).messages, []);
    assert.deepEqual((await expert.data<{ messages: unknown[] }>(['inbox'])).messages, []);
  });

  test('no message becomes part of a command, and a second agent is refused', async () => {
    const hostile = `'; touch ${join(expert.home, 'owned')}; echo $(touch ${join(expert.home, 'owned')})`;
    assert.match(await answerTo(hostile), / asked /);
    assert.ok(!existsSync(join(expert.home, 'owned')));
    const refused = await expert.failure(['agent', 'serve', '--command', 'cat']);
    assert.equal(refused.code, 'port_in_use');
  });

  test('an HTTP server answers', async () => {
    const { port } = web.address() as AddressInfo;
    await agent.serve('--url', `http://127.0.0.1:${port}/ask`);
    assert.deepEqual(JSON.parse(await answerTo('/data {"a":1}')), {
      node: '1',
      type: 'application/json',
      body: '{"a":1}',
    });
    await agent.serve('--url', `http://127.0.0.1:${port}/elsewhere`);
    await assert.rejects(ask('x'), { code: 'invalid_argument' });
  });

  test('time and size have limits; large answers within them arrive whole', async () => {
    await agent.serve(
      ...['--command', 'read -r n; if [ $n = slow ]; then sleep 60; else head -c $n /dev/zero; fi'],
      ...['--answer-time', '500ms', '--max-output', '8000000'],
    );
    await assert.rejects(ask('slow'), { code: 'timeout' });
    await assert.rejects(ask('8000001\n'), { code: 'too_large' });
    const { reply } = await ask('8000000\n');
    assert.equal(reply.data.length, 8_000_000);
  });

  test('one program answers two hundred at once, dies, and comes back', async () => {
    const program = join(expert.home, 'lines.mjs');
    const source = [
      "import { createInterface } from 'node:readline';",
      'for await (const line of createInterface({ input: process.stdin })) {',
      '  const { id, data } = JSON.parse(line);',
      "  if (data === 'die') process.exit(1);",
      "  console.log(JSON.stringify({ id, data: [process.pid, data].join(' ') }));",
      '}',
    ].join('\n');
    writeFileSync(program, source);
    await agent.serve(
      '--lines',
      '--command',
      `exec '${process.execPath}' '${program}'`,
      '--concurrency',
      '64',
    );
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => answerTo(`n${i}`)));
    assert.deepEqual(
      answers.map((answer) => answer.split(' ')[1]),
      answers.map((_, i) => `n${i}`),
    );
    assert.equal(new Set(answers.map((answer) => answer.split(' ')[0])).size, 1);
    await assert.rejects(ask('die'), { code: 'unavailable' });
    const [again] = (await answerTo('back')).split(' ');
    assert.notEqual(again, answers[0]!.split(' ')[0]);
  });

  test('the same question is carried out once', async () => {
    const ledger = join(expert.home, 'ledger');
    await agent.serve('--command', `sleep 0.3; tee -a '${ledger}'`);
    const options = { messageId: 'buy-1' };
    const [one, two] = await Promise.all([ask('one coin\n', options), ask('one coin\n', options)]);
    const three = await ask('one coin\n', options);
    for (const { reply } of [one, two, three]) assert.equal(fromUtf8(reply.data), 'one coin');
    assert.equal(readFileSync(ledger, 'utf8'), 'one coin\n');
  });

  test('a daemon killed meanwhile costs neither the answer nor a second execution', async () => {
    const ledger = join(expert.home, 'ledger-2');
    await agent.serve('--command', `sleep 1.5; tee -a '${ledger}'`);
    const asking = ask('survive\n', { timeout: 30_000 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    process.kill(expert.pid, 'SIGKILL');
    await expert.data(['daemon', 'start', '--hostname', 'expert', '--public']);
    const { reply, retried } = await asking;
    assert.equal(fromUtf8(reply.data), 'survive');
    assert.equal(retried, true);
    assert.equal(readFileSync(ledger, 'utf8'), 'survive\n');
  });

  test('an old program, which knows no ids, gets its answer as a message', async () => {
    await asker.run(['handshake', 'expert']);
    // The request may still be on its way.
    await eventually(() => expert.data(['approve', 'asker']));
    await agent.serve('--command', 'tr a-z A-Z');
    const conn = await client.dial('expert', 1001);
    await conn.write(encodeDataFrame(DATA_TYPE.text, utf8('old')));
    const ack = await new AnswerReader(conn).next();
    assert.equal(fromUtf8(ack!.payload), 'ACK TEXT 3 bytes');
    await eventually(async () => {
      const { messages } = await asker.data<{ messages: { data: string }[] }>(['inbox']);
      assert.deepEqual(
        messages.map(({ data }) => data),
        ['OLD'],
      );
    });
    await conn.close();
  });

  test('stopped, it leaves in good order, and messages go to the inbox again', async () => {
    await agent.serve('--command', 'sleep 1; echo "finished $(cat)"');
    const underWay = ask('this');
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal(await agent.stop(), 0);
    assert.match(agent.said, /stopping/);
    assert.equal(fromUtf8((await underWay).reply.data), 'finished this');
    const sent = await asker.data<{ message_id: string }>(['send-message', 'expert', 'for later']);
    const { messages } = await expert.data<{ messages: { id: string; message_id: string }[] }>(['inbox']);
    assert.equal(messages.at(-1)!.message_id, sent.message_id);
    const waiting = asker.data<{ reply: { data: string; via: string } }>([
      ...['send-message', 'expert', 'anybody?', '--wait', '15s'],
    ]);
    const question = await eventually(async () => {
      const inbox = await expert.data<{ messages: { id: string; data: string }[] }>(['inbox']);
      const last = inbox.messages.at(-1)!;
      assert.equal(last.data, 'anybody?');
      return last;
    });
    await expert.data(['send-message', 'asker', 'a person', '--reply-to', question.id]);
    const { reply } = await waiting;
    assert.equal(reply.data, 'a person');
    assert.equal(reply.via, 'stream');
  });
});
