/**
 * The receiving half of bench/loopback, in a process of its own. Counts bytes and answers one byte per `total`
 * received; with `echo`, sends everything back. Usage: sink.js pilot SOCKET PORT MODE TOTAL | sink.js tls - - MODE TOTAL
 */
import { createServer } from 'node:tls';
import { generate } from 'selfsigned';
import { connect } from './rig.ts';

const [kind, socket, port, mode, totalText] = process.argv.slice(2);
const total = Number(totalText);

if (kind === 'pilot') {
  const client = await connect(socket!);
  const listener = await client.listen(Number(port));
  console.log('ready');
  for (let conn = await listener.accept(); conn !== undefined; conn = await listener.accept()) {
    const stream = conn;
    void (async () => {
      let received = 0;
      for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
        received += chunk.length;
        if (mode === 'echo') await stream.write(chunk);
        else if (received >= total) {
          received -= total;
          await stream.write(new Uint8Array(1));
        }
      }
      await stream.close();
    })();
  }
} else {
  const pems = await generate([{ name: 'commonName', value: 'bench' }], { keyType: 'ec', curve: 'P-256' });
  const server = createServer({ key: pems.private, cert: pems.cert }, (stream) => {
    let received = 0;
    stream.setNoDelay(true);
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (mode === 'echo') stream.write(chunk);
      else if (received >= total) {
        received -= total;
        stream.write(Buffer.alloc(1));
      }
    });
    stream.on('error', () => {});
  });
  server.listen(0, '127.0.0.1', () => console.log(`ready ${(server.address() as { port: number }).port}`));
}
