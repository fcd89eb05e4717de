import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex, utf8 } from '../base/bytes.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows, pieces } from './codec.testkit.ts';
import {
  CMD,
  decodeAccept,
  decodeCall,
  decodeCallCancel,
  decodeCallError,
  decodeCallResult,
  decodeConnData,
  decodeConnId,
  decodeError,
  decodeJsonPayload,
  decodePort,
  decodeRecvFrom,
  decodeTarget,
  encodeAccept,
  encodeCall,
  encodeCallCancel,
  encodeCallError,
  encodeCallResult,
  encodeConnId,
  encodeError,
  encodeIpcFrame,
  encodeJsonPayload,
  encodePort,
  encodeRecvFrom,
  encodeTarget,
  IPC_FRAME_LIMIT,
  IPC_SEND_LIMIT,
  type IpcFrame,
  IpcFrameReader,
  unknownCommandText,
} from './ipc.ts';

interface Reply {
  readonly name: string;
  readonly request_hex: string;
  readonly reply_hex: string[] | null;
  readonly reply_text?: string[];
}
const vectors = loadVectors<{
  driver_frames: { name: string; hex: string; command: string }[];
  daemon_replies: Reply[];
}>('ipc');

/** The frames of the golden vectors, built from their meaning. */
const far = { network: 1, node: 0xf2910004 };
const built: Readonly<Record<string, Uint8Array>> = {
  'bind 80': encodeIpcFrame(CMD.bind, encodePort(80)),
  'dial 1:0001.F291.0004 port 7': encodeIpcFrame(CMD.dial, encodeTarget(far, 7)),
  "send conn 9 'hello'": encodeIpcFrame(CMD.send, encodeConnId(9), utf8('hello')),
  'send conn 9 empty': encodeIpcFrame(CMD.send, encodeConnId(9)),
  'close conn 9': encodeIpcFrame(CMD.close, encodeConnId(9)),
  'disconnect 42': encodeIpcFrame(CMD.close, encodeConnId(42)),
  sendto: encodeIpcFrame(CMD.sendTo, encodeTarget(far, 9), utf8('dgram')),
  'sendto broadcast': encodeIpcFrame(
    CMD.sendTo,
    encodeTarget({ network: 5, node: 0xffffffff }, 9),
    utf8('dgram'),
  ),
  info: encodeIpcFrame(CMD.info),
  health: encodeIpcFrame(CMD.health),
  'resolve hostname': encodeIpcFrame(CMD.resolveHostname, utf8('alpha')),
  'set hostname': encodeIpcFrame(CMD.setHostname, utf8('alpha')),
  'clear hostname': encodeIpcFrame(CMD.setHostname),
  'set visibility public': encodeIpcFrame(CMD.setVisibility, Uint8Array.of(1)),
  'set visibility private': encodeIpcFrame(CMD.setVisibility, Uint8Array.of(0)),
  'set task exec': encodeIpcFrame(CMD.setTaskExec, Uint8Array.of(1)),
  deregister: encodeIpcFrame(CMD.deregister),
  'set tags': encodeIpcFrame(CMD.setTags, encodeJsonPayload(['a', 'b'])),
  'clear tags': encodeIpcFrame(CMD.setTags, encodeJsonPayload([])),
  'set webhook': encodeIpcFrame(CMD.setWebhook, utf8('http://127.0.0.1:1/x')),
  'clear webhook': encodeIpcFrame(CMD.setWebhook),
};

/** Commands with sub-commands: their payloads are built in ipc-commands.test.ts. */
const WITH_SUB: readonly number[] = [CMD.handshake, CMD.network, CMD.managed];

describe('IPC frames', () => {
  it('of every golden client command are built from their meaning, and cut again', () => {
    for (const v of vectors.driver_frames) {
      const frames = readAll([hex(v.hex)]).frames;
      assert.equal(frames.length, 1, v.name);
      assert.equal(frames[0]!.cmd, Number(v.command));
      if (!WITH_SUB.includes(frames[0]!.cmd)) assert.equal(toHex(built[v.name]!), v.hex, v.name);
      assert.equal(toHex(encodeIpcFrame(frames[0]!.cmd, frames[0]!.payload)), v.hex);
    }
  });

  it('of every golden reply and push decode, and encode to the same bytes', () => {
    let checked = 0;
    for (const v of vectors.daemon_replies) {
      for (const text of v.reply_hex ?? []) {
        const { frames, error } = readAll([hex(text)]);
        assert.equal(error, undefined);
        const frame = frames[0]!;
        assert.equal(toHex(encodeIpcFrame(frame.cmd, again(frame))), text, v.name);
        checked++;
      }
    }
    assert.ok(checked > 60);
  });

  it('of golden errors have the code and text the vectors state', () => {
    for (const v of vectors.daemon_replies) {
      const stated = /^ERROR code=(\d+) (.*)$/s.exec(v.reply_text?.[0] ?? '');
      if (stated === null) continue;
      const decoded = decodeError(readAll([hex(v.reply_hex![0]!)]).frames[0]!.payload);
      assert.deepEqual(decoded, { code: Number(stated[1]), text: stated[2] });
    }
    assert.equal(unknownCommandText(0xee), 'unknown command: 0xEE');
    assert.equal(unknownCommandText(0x02), 'unknown command: 0x02');
  });

  it('of length 0 are skipped and above 1 MiB end the stream, as with a live daemon', () => {
    const empty = vectors.daemon_replies.find((v) => v.name.startsWith('empty frame'))!;
    assert.deepEqual(readAll([hex(empty.request_hex), hex('000000010d')]).frames, [
      { cmd: CMD.info, payload: new Uint8Array(0) },
    ]);
    const long = vectors.daemon_replies.find((v) => v.name.startsWith('frame longer'))!;
    assert.deepEqual(readAll([hex(long.request_hex), hex('000000010d')]), { frames: [], error: 'too_large' });
    const largest = encodeIpcFrame(CMD.send, encodeConnId(1), new Uint8Array(IPC_SEND_LIMIT));
    assert.equal(largest.length, 4 + IPC_FRAME_LIMIT);
    assert.equal(readAll([largest]).frames.length, 1);
    assert.throws(
      () => encodeIpcFrame(CMD.send, encodeConnId(1), new Uint8Array(IPC_SEND_LIMIT + 1)),
      RangeError,
    );
  });

  it('are read the same however the stream is cut', () => {
    const frame = arbitrary.record({ cmd: arbitrary.u8, payload: arbitrary.bytes(30) });
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), sizes, (frames, cuts) => {
        const stream = concat(...frames.map(({ cmd, payload }) => encodeIpcFrame(cmd, payload)));
        assert.deepEqual(readAll(pieces(stream, cuts)), { frames, error: undefined });
      }),
    );
  });
});

describe('IPC payloads', () => {
  it('survive encoding and decoding', () => {
    const u16 = arbitrary.u16;
    const u32 = arbitrary.u32;
    const address = arbitrary.address;
    fc.assert(
      fc.property(
        address,
        address,
        u16,
        u16,
        u32,
        arbitrary.bytes(50),
        (remote, source, port, other, conn, data) => {
          assert.equal(decodePort(encodePort(port)), port);
          assert.equal(decodeConnId(encodeConnId(conn)), conn);
          assert.deepEqual(decodeConnData(concat(encodeConnId(conn), data)), { conn, data });
          assert.deepEqual(decodeTarget(concat(encodeTarget(remote, port), data)), {
            address: remote,
            port,
            data,
          });
          const accept = { localPort: port, conn, remote, remotePort: other };
          assert.deepEqual(decodeAccept(encodeAccept(accept)), accept);
          const datagram = { source, sourcePort: port, destinationPort: other, data };
          assert.deepEqual(decodeRecvFrom(encodeRecvFrom(datagram)), datagram);
        },
      ),
    );
    fc.assert(
      fc.property(u32, arbitrary.text, arbitrary.text, fc.jsonValue(), (id, method, message, value) => {
        const plain = JSON.parse(JSON.stringify(value));
        assert.deepEqual(decodeCall(encodeCall({ id, method, params: plain })), {
          id,
          method,
          params: plain,
        });
        assert.deepEqual(decodeCallResult(encodeCallResult({ id, result: plain })), { id, result: plain });
        const error = { id, code: method, message, hint: message };
        assert.deepEqual(decodeCallError(encodeCallError(error)), error);
        assert.equal(decodeCallCancel(encodeCallCancel(id)), id);
        assert.deepEqual(decodeError(encodeError(message)), { code: 1, text: message });
        assert.deepEqual(decodeJsonPayload(encodeJsonPayload(plain)), { value: plain });
      }),
    );
  });

  it('shorter than their fixed fields are refused', () => {
    const address = { network: 1, node: 2 };
    everyTruncationFails(encodePort(7), decodePort);
    everyTruncationFails(encodeConnId(7), decodeConnId);
    everyTruncationFails(encodeConnId(7), decodeConnData);
    everyTruncationFails(encodeTarget(address, 7), decodeTarget);
    everyTruncationFails(
      encodeAccept({ localPort: 1, conn: 2, remote: address, remotePort: 3 }),
      decodeAccept,
    );
    const data = new Uint8Array(0);
    everyTruncationFails(
      encodeRecvFrom({ source: address, sourcePort: 1, destinationPort: 2, data }),
      decodeRecvFrom,
    );
    everyTruncationFails(encodeError(''), decodeError);
    everyTruncationFails(encodeCall({ id: 1, method: 'info', params: { a: 1 } }), decodeCall);
    everyTruncationFails(encodeCallResult({ id: 1, result: { a: 1 } }), decodeCallResult);
    everyTruncationFails(encodeCallError({ id: 1, code: 'x', message: 'y', hint: 'z' }), decodeCallError);
  });

  it('of calls with the wrong shape are refused with the reason', () => {
    const call = (json: string) => decodeCall(concat(encodeConnId(1), utf8(json)));
    assert.equal(call('{'), 'invalid_json');
    assert.equal(call('[]'), 'not_object');
    assert.equal(call('{"method":1}'), 'bad_member');
    assert.deepEqual(call('{"method":"info"}'), { id: 1, method: 'info', params: undefined });
    const error = (json: string) => decodeCallError(concat(encodeConnId(1), utf8(json)));
    assert.equal(error('{"code":"x"}'), 'bad_member');
    assert.deepEqual(error('{"code":"x","message":"m"}'), { id: 1, code: 'x', message: 'm', hint: '' });
  });

  it('never throw on hostile bytes', () => {
    neverThrows(
      (bytes) => readAll(pieces(bytes, [3, 1, 40])),
      vectors.driver_frames.map((v) => hex(v.hex)),
    );
    const samples = [
      encodeCall({ id: 1, method: 'ping', params: { target: 'b' } }),
      encodeAccept({ localPort: 1, conn: 2, remote: { network: 0, node: 3 }, remotePort: 4 }),
    ];
    neverThrows((bytes) => {
      decodePort(bytes);
      decodeConnData(bytes);
      decodeTarget(bytes);
      decodeAccept(bytes);
      decodeRecvFrom(bytes);
      decodeError(bytes);
      decodeCall(bytes);
      decodeCallResult(bytes);
      decodeCallError(bytes);
      decodeCallCancel(bytes);
      decodeJsonPayload(bytes);
    }, samples);
  });
});

/** Decodes a daemon's payload by its command and encodes it again. */
function again({ cmd, payload }: IpcFrame): Uint8Array {
  switch (cmd) {
    case CMD.bindOk:
      return encodePort(decodePort(payload) as number);
    case CMD.dialOk:
    case CMD.closeOk:
      return encodeConnId(decodeConnId(payload) as number);
    case CMD.accept:
      return encodeAccept(decodeAccept(payload) as Exclude<ReturnType<typeof decodeAccept>, string>);
    case CMD.recv: {
      const { conn, data } = decodeConnData(payload) as { conn: number; data: Uint8Array };
      return concat(encodeConnId(conn), data);
    }
    case CMD.recvFrom:
      return encodeRecvFrom(decodeRecvFrom(payload) as Exclude<ReturnType<typeof decodeRecvFrom>, string>);
    case CMD.error: {
      const { text, code } = decodeError(payload) as { text: string; code: number };
      return encodeError(text, code);
    }
    default: {
      const json = decodeJsonPayload(payload);
      assert.ok(typeof json !== 'string');
      return encodeJsonPayload(json.value);
    }
  }
}

describe('IPC frames taken piecewise', () => {
  it('give the same bytes per stream, small ones whole, however they are cut', () => {
    const sizes = [0, 1, 64, 4_000, 4_090, 5_000, 70_000, 1];
    const sent = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
    const bytes = concat(
      ...sent.flatMap((data, i) => [
        encodeIpcFrame(CMD.send, encodeConnId(i % 3), data),
        encodeIpcFrame(CMD.callCancel, encodeCallCancel(i)),
      ]),
    );
    for (const step of [1, 7, 4_096, 65_536, bytes.length]) {
      const reader = new IpcFrameReader();
      reader.piecewise = true;
      const perConn = new Map<number, Uint8Array>();
      const order: number[] = [];
      for (let at = 0; at < bytes.length; at += step) {
        reader.push(bytes.slice(at, at + step));
        for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
          const { cmd, conn, payload } = frame;
          if (conn === undefined) {
            assert.equal(cmd, CMD.callCancel);
            order.push(decodeCallCancel(payload) as number);
          } else {
            assert.ok(
              payload.length >= 4_000 ||
                sizes.includes(payload.length) ||
                payload[0] === 6 ||
                payload[0] === 7,
            );
            perConn.set(conn, concat(perConn.get(conn) ?? new Uint8Array(0), payload));
          }
        }
      }
      assert.equal(reader.error, undefined);
      assert.deepEqual(order, [...sizes.keys()]);
      for (const conn of [0, 1, 2]) {
        const expected = concat(...sent.filter((_, i) => i % 3 === conn));
        assert.equal(toHex(perConn.get(conn)!), toHex(expected), `${step}`);
      }
    }
  });
});

function readAll(chunks: readonly Uint8Array[]) {
  const reader = new IpcFrameReader();
  const frames: IpcFrame[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  return { frames, error: reader.error };
}
