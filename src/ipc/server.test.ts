import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PilotError } from '../api/errors.ts';
import { concat, fromHex, fromUtf8, toHex, utf8 } from '../base/bytes.ts';
import { nodeClock } from '../platform/clock.ts';
import { loadVectors } from '../wire/codec.testkit.ts';
import {
  CMD,
  decodeCallError,
  encodeCall,
  encodeCallCancel,
  encodeIpcFrame,
  type IpcFrame,
  IpcFrameReader,
} from '../wire/ipc.ts';
import { FakeNetwork } from './fake-backend.testkit.ts';
import { memoryNet } from './pipe.testkit.ts';
import { IpcServer } from './server.ts';

interface Vector {
  name: string;
  request_hex: string;
  reply_hex: string[] | null;
}
const vectors = loadVectors<{
  daemon_replies: Vector[];
  driver_frames: { name: string; hex: string }[];
}>('ipc');

const quiet = { event: () => {} };

/** A client that sees frames as they are. */
async function rawClient(net: ReturnType<typeof memoryNet>, path = 'sock') {
  const pipe = await net.connectLocal(path);
  const reader = new IpcFrameReader();
  const frames: IpcFrame[] = [];
  let wake: (() => void) | undefined;
  let closed = false;
  pipe.onData((data) => {
    reader.push(data.slice());
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
    wake?.();
  });
  pipe.onClose(() => {
    closed = true;
    wake?.();
  });
  return {
    pipe,
    frames,
    isClosed: () => closed,
    send: (...parts: Uint8Array[]) => pipe.write(concat(...parts)),
    async next(): Promise<IpcFrame> {
      for (;;) {
        const frame = frames.shift();
        if (frame !== undefined) return frame;
        if (closed) throw new Error('closed');
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async closed(): Promise<void> {
      while (!closed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function hexOf(frame: IpcFrame): string {
  return toHex(encodeIpcFrame(frame.cmd, frame.payload));
}

function frame(cmd: number, ...bytes: number[]): Uint8Array {
  return encodeIpcFrame(cmd, Uint8Array.from(bytes));
}

async function started(window?: number) {
  const network = new FakeNetwork(window);
  const backend = network.node(1);
  const other = network.node(2);
  const net = memoryNet();
  const server = await IpcServer.claim({ net, clock: nodeClock(), log: quiet, socketPath: 'sock' });
  server.serve(backend);
  return { network, backend, other, net, server };
}

describe('the IPC server, to clients without request ids', () => {
  test('answers like the daemons before it, byte for byte', async () => {
    const { backend, other, net } = await started();
    other.listen(7 + 0x4000, () => {});
    backend.methods = {
      handshake: ({ target }) => {
        if (target === '99')
          throw new PilotError('not_found', 'handshake relay: registry: node 99: node not found');
        return { status: 'sent', node_id: 2 };
      },
      pending: () => ({ pending: [] }),
      trusted: () => ({ trusted: [] }),
      untrust: () => {
        throw new PilotError('not_found', 'node 77 was not trusted');
      },
      find: ({ hostname }) => {
        if (hostname === 'two')
          return { node_id: 2, address: '0:0000.0000.0002', hostname: 'two', public: true };
        throw new PilotError('not_found', 'Cannot find', { cause: new Error('hostname "nobody" not found') });
      },
      set_hostname: ({ hostname }) => ({ hostname, node_id: 1 }),
      set_visibility: () => ({ node_id: 1, visibility: 'public' }),
      set_tags: ({ tags }) => ({ node_id: 1, tags }),
      deregister: () => ({ node_id: 1 }),
      network: ({ network }) => ({ type: 'managed_policy_ok', network_id: network, engine: 'none' }),
    };
    const same = [
      'unknown command 0xEE',
      'response code as request 0x02',
      'bind without port',
      'bind 80',
      'bind 80 again',
      'bind 7 (echo service owns it)',
      'bind 0',
      'dial short',
      'dial unknown node 99',
      'dial node 2 port 9 (nothing listens: RST)',
      'send unknown conn',
      'send short',
      'close short',
      'close unknown',
      'sendto short',
      'sendto unknown node',
      'sendto broadcast backbone',
      'handshake no sub',
      'handshake bad sub',
      'handshake request short',
      'handshake request node 2',
      'handshake request unknown node',
      'handshake pending',
      'handshake trusted',
      'handshake revoke not trusted',
      'resolve hostname',
      'resolve hostname empty',
      'resolve hostname unknown',
      'set hostname',
      'set visibility short',
      'set visibility',
      'set tags',
      'set tags four',
      'clear webhook',
      'set task exec short',
      'network no sub',
      'network bad sub',
      'network join short',
      'network respond short',
      'managed no sub',
      'managed status none',
      'managed score short',
      'policy get none',
      'policy set empty',
      'deregister',
    ];
    const client = await rawClient(net);
    for (const name of same) {
      const vector = vectors.daemon_replies.find((entry) => entry.name === name);
      assert.ok(vector, name);
      client.send(fromHex(vector.request_hex)!);
      for (const expected of vector.reply_hex!) assert.equal(hexOf(await client.next()), expected, name);
    }
  });

  test('rotates the key for later drivers too', async () => {
    const { net, backend } = await started();
    backend.methods.rotate_key = () => ({ node_id: 1, public_key: 'AAAA' });
    const client = await rawClient(net);
    client.send(encodeIpcFrame(CMD.rotateKey));
    const reply = await client.next();
    assert.equal(reply.cmd, CMD.rotateKeyOk);
    assert.deepEqual(JSON.parse(fromUtf8(reply.payload)), {
      type: 'rotate_key_ok',
      node_id: 1,
      public_key: 'AAAA',
    });
  });

  test('answers every frame a driver sends, in order, and stays up', async () => {
    const { net } = await started();
    const client = await rawClient(net);
    const silent = ['sendto'];
    for (const { name, hex } of vectors.driver_frames) {
      client.send(fromHex(hex)!);
      if (!silent.includes(name)) assert.ok(await client.next(), name);
    }
    client.send(frame(CMD.close, 0, 0, 0, 1));
    for (;;) if ((await client.next()).cmd === CMD.closeOk) break;
  });

  test('ignores empty frames and empty sends', async () => {
    const { net } = await started();
    const client = await rawClient(net);
    client.send(Uint8Array.from([0, 0, 0, 0]), frame(CMD.bind, 0, 80));
    assert.equal((await client.next()).cmd, CMD.bindOk);
  });

  test('says why before it closes on a frame over the limit', async () => {
    const { net } = await started();
    const client = await rawClient(net);
    client.send(Uint8Array.from([0, 0x10, 0, 1]));
    assert.equal((await client.next()).cmd, CMD.error);
    await client.closed();
  });

  test('tells of a dial before its data, and pushes accept before data', async () => {
    const { net, backend, other } = await started();
    other.listen(9, (stream) => stream.write(utf8('hello')));
    const client = await rawClient(net);
    client.send(fromHex('00000009030000000000020009')!);
    const dialed = await client.next();
    assert.equal(dialed.cmd, CMD.dialOk);
    const data = await client.next();
    assert.equal(data.cmd, CMD.recv);
    client.send(frame(CMD.bind, 0, 80));
    assert.equal((await client.next()).cmd, CMD.bindOk);
    const stream = await other.dial({ network: 0, node: 1 }, 80, {});
    stream.write(utf8('x'));
    const accept = await client.next();
    assert.equal(accept.cmd, CMD.accept);
    assert.equal(accept.payload.length, 14);
    assert.equal((await client.next()).cmd, CMD.recv);
    stream.close();
    const end = await client.next();
    assert.equal(end.cmd, CMD.closeOk);
    assert.equal(backend.streams.size, 2);
  });

  test('answers one request after another, so that errors meet their request', async () => {
    const { net, backend } = await started();
    let open = (): void => {};
    backend.dialGate = new Promise((resolve) => {
      open = resolve;
    });
    const client = await rawClient(net);
    client.send(
      fromHex('00000009030000000000020009')!,
      frame(CMD.send, 0, 0, 0xff, 0xff, 1),
      frame(CMD.bind, 0, 80),
    );
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(client.frames.length, 0);
    open();
    assert.match(String.fromCharCode(...(await client.next()).payload.subarray(2)), /^connection refused$/);
    assert.match(
      String.fromCharCode(...(await client.next()).payload.subarray(2)),
      /^connection 65535 not found$/,
    );
    assert.equal((await client.next()).cmd, CMD.bindOk);
  });

  test('cancels a dial in flight', async () => {
    const { net, backend } = await started();
    backend.dialGate = new Promise(() => {});
    const client = await rawClient(net);
    client.send(fromHex('00000009030000000000020009')!, frame(CMD.cancel));
    assert.equal((await client.next()).cmd, CMD.error);
  });

  test('frees ports and finishes streams of a client that leaves', async () => {
    const { net, backend, other } = await started();
    const ends: string[] = [];
    other.listen(9, (stream) =>
      stream.observe({
        readable: () => {
          if (stream.atEnd) ends.push('end');
        },
        writable: () => {},
        finished: () => {},
        closed: () => {},
      }),
    );
    const client = await rawClient(net);
    client.send(frame(CMD.bind, 0, 80), fromHex('00000009030000000000020009')!);
    await client.next();
    await client.next();
    client.pipe.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(ends, ['end']);
    assert.equal(backend.listeners.size, 0);
  });

  test('does not let one client touch the stream of another', async () => {
    const { net, other } = await started();
    other.listen(9, () => {});
    const owner = await rawClient(net);
    owner.send(fromHex('00000009030000000000020009')!);
    const conn = (await owner.next()).payload;
    const thief = await rawClient(net);
    thief.send(encodeIpcFrame(CMD.send, conn, utf8('x')), encodeIpcFrame(CMD.close, conn));
    assert.match(String.fromCharCode(...(await thief.next()).payload.subarray(2)), /not found/);
    assert.equal((await thief.next()).cmd, CMD.closeOk);
    assert.equal(other.streams.get(1)!.atEnd, false);
  });

  test('gives datagrams to every old client, and only to asking new ones', async () => {
    const { net, server } = await started();
    const old = await rawClient(net);
    const asking = await rawClient(net);
    const other = await rawClient(net);
    for (const client of [asking, other]) {
      client.send(encodeIpcFrame(CMD.call, encodeCall({ id: 1, method: 'hello', params: {} })));
      await client.next();
    }
    asking.send(
      encodeIpcFrame(CMD.call, encodeCall({ id: 2, method: 'listen_datagrams', params: { port: 99 } })),
    );
    await asking.next();
    other.send(
      encodeIpcFrame(CMD.call, encodeCall({ id: 2, method: 'listen_datagrams', params: { port: 99 } })),
    );
    const refused = await other.next();
    assert.equal(refused.cmd, CMD.callError);
    const source = { network: 0, node: 2 };
    server.deliver({ source, sourcePort: 1, destinationPort: 99, data: utf8('datagram') });
    assert.equal((await old.next()).cmd, CMD.recvFrom);
    assert.equal((await asking.next()).cmd, CMD.recvFrom);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(other.frames.length, 0);
  });
});

describe('the IPC server, to clients that mean no good', () => {
  test('takes any bytes, goes on serving others, and frees what it held', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 60 }),
            fc
              .tuple(fc.integer({ min: 0, max: 0x48 }), fc.uint8Array({ maxLength: 40 }))
              .map(([cmd, payload]) => encodeIpcFrame(cmd, payload)),
            fc
              .tuple(
                fc.constantFrom(
                  'hello',
                  'dial',
                  'listen',
                  'close',
                  'send_datagram',
                  'listen_datagrams',
                  'toString',
                ),
                fc.jsonValue(),
              )
              .map(([method, params]) =>
                encodeIpcFrame(CMD.call, encodeCall({ id: 1, method, params: params as object })),
              ),
          ),
          { maxLength: 30 },
        ),
        async (parts) => {
          const { net, backend, other } = await started();
          other.listen(9, () => {});
          const bad = await rawClient(net);
          for (const part of parts) bad.send(part);
          const good = await rawClient(net);
          good.send(frame(CMD.close, 0, 0, 0, 9));
          assert.equal((await good.next()).cmd, CMD.closeOk);
          bad.pipe.destroy();
          for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
          assert.equal(backend.listeners.size, 0);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('stops taking requests from a client that reads no answers', async () => {
    const { net, backend } = await started();
    let answered = 0;
    backend.methods = {
      info: () => {
        answered++;
        return { text: 'x'.repeat(10_000) };
      },
    };
    const client = await rawClient(net);
    client.pipe.pause();
    for (let i = 1; i <= 2000; i++) {
      client.send(encodeIpcFrame(CMD.call, encodeCall({ id: i, method: 'info', params: {} })));
    }
    for (let i = 0; i < 300; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(answered < 1300, `${answered} answers are waiting`);
    client.pipe.resume();
    for (let got = 0; got < 2000; got++) await client.next();
  });

  test('refuses clients and streams beyond its limits', async () => {
    const { net, other } = await started();
    other.listen(9, () => {});
    const client = await rawClient(net);
    for (let i = 0; i < 4097; i++) {
      client.send(
        encodeIpcFrame(CMD.call, encodeCall({ id: i + 1, method: 'dial', params: { target: '2', port: 9 } })),
      );
    }
    const replies = new Map<number, number>();
    for (let i = 0; i < 4097; i++) {
      const { cmd } = await client.next();
      replies.set(cmd, (replies.get(cmd) ?? 0) + 1);
    }
    assert.deepEqual(
      [...replies],
      [
        [CMD.callResult, 4096],
        [CMD.callError, 1],
      ],
    );
    for (let i = 0; i < 1023; i++) await net.connectLocal('sock');
    const refused = await rawClient(net);
    assert.equal((await refused.next()).cmd, CMD.error);
    await refused.closed();
  });
});

describe('the IPC server, to clients that call', () => {
  test('runs calls at the same time and cancels one', async () => {
    const { net, backend } = await started();
    backend.methods = {
      slow: (_params, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('gone')))),
      fast: () => ({ ok: true }),
    };
    const client = await rawClient(net);
    client.send(
      encodeIpcFrame(CMD.call, encodeCall({ id: 1, method: 'slow', params: {} })),
      encodeIpcFrame(CMD.call, encodeCall({ id: 2, method: 'fast', params: {} })),
    );
    assert.equal((await client.next()).cmd, CMD.callResult);
    client.send(encodeIpcFrame(CMD.callCancel, encodeCallCancel(1)));
    const reply = decodeCallError((await client.next()).payload);
    assert.ok(typeof reply !== 'string');
    assert.equal(reply.code, 'cancelled');
  });

  test('refuses malformed calls and goes on', async () => {
    const { net } = await started();
    const client = await rawClient(net);
    client.send(
      encodeIpcFrame(CMD.call, utf8('x')),
      encodeIpcFrame(CMD.call, Uint8Array.from([0, 0, 0, 1]), utf8('nope')),
      encodeIpcFrame(CMD.call, encodeCall({ id: 1, method: 'dial', params: { target: 5 } })),
    );
    assert.equal((await client.next()).cmd, CMD.error);
    assert.equal((await client.next()).cmd, CMD.error);
    const reply = decodeCallError((await client.next()).payload);
    assert.ok(typeof reply !== 'string');
    assert.equal(reply.code, 'invalid_argument');
  });

  test('closes on a client that overruns its credit', async () => {
    const { net, other } = await started(1000);
    other.listen(9, () => {});
    const client = await rawClient(net);
    client.send(encodeIpcFrame(CMD.call, encodeCall({ id: 1, method: 'hello', params: {} })));
    await client.next();
    client.send(
      encodeIpcFrame(CMD.call, encodeCall({ id: 2, method: 'dial', params: { target: '2', port: 9 } })),
    );
    await client.next();
    const conn = Uint8Array.from([0, 0, 0, 1]);
    for (let i = 0; i < 2; i++) client.send(encodeIpcFrame(CMD.send, conn, new Uint8Array(500_000)));
    for (;;) {
      const reply = await client.next();
      if (reply.cmd === CMD.error) break;
    }
    await client.closed();
  });

  test('stops reading from an old client whose stream is stuck, and goes on when it moves', async () => {
    const { net, other } = await started(1000);
    const taken: number[] = [];
    other.listen(9, () => {});
    const client = await rawClient(net);
    client.send(fromHex('00000009030000000000020009')!);
    const conn = (await client.next()).payload;
    for (let i = 0; i < 40; i++) client.pipe.write(encodeIpcFrame(CMD.send, conn, new Uint8Array(60_000)));
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
    const memory = net.last!;
    assert.ok((client.pipe as typeof memory).queued > 1_000_000, 'the rest waits in the pipe');
    const stream = other.streams.get(1)!;
    let total = 0;
    while (total < 40 * 60_000) {
      for (const chunk of stream.read(1_000_000)) total += chunk.length;
      taken.push(total);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(total, 40 * 60_000);
  });
});
