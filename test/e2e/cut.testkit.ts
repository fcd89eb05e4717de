/** A TCP way that can be cut: what is sent into it then goes nowhere, and nobody is told. */
import { connect, createServer, type Socket } from 'node:net';

export interface Cut {
  readonly port: number;
  cut(): void;
  heal(): void;
  close(): Promise<void>;
}

export async function cuttable(target: number): Promise<Cut> {
  const ends = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    ends.add(near);
    near.on('error', () => near.destroy()).on('close', () => ends.delete(near));
    if (isCut) {
      near.pause();
      return;
    }
    const far = connect(target, '127.0.0.1');
    ends.add(far);
    far.on('error', () => far.destroy());
    far.on('close', () => {
      ends.delete(far);
      if (!isCut) near.destroy();
    });
    near.on('close', () => {
      if (!isCut) far.destroy();
    });
    near.on('data', (data) => {
      if (!isCut) far.write(data);
    });
    far.on('data', (data) => {
      if (!isCut) near.write(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const drop = (): void => {
    for (const end of ends) end.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    cut() {
      isCut = true;
    },
    // What was there before the cut does not come back.
    heal() {
      drop();
      isCut = false;
    },
    async close() {
      drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
