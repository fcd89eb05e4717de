/**
 * Daemons that are connected and silent: `crowd.js PORT FIRST COUNT SOURCES`. Each proves the key of its node and is
 * told of events; sources are 127.0.0.1 and up. Tells over IPC when all are there.
 */
import { inParallel, numbers } from './drive.ts';
import { keyOf, Line } from './line.ts';

const [port, first, count, sources] = process.argv.slice(2).map(Number) as [number, number, number, number];
const lines: Line[] = [];
await inParallel(numbers(first, first + count - 1), 32, async (number) => {
  const line = await Line.open(port, keyOf(number), `127.0.0.${1 + (number % sources)}`);
  await line.register({ subscribe: true });
  await line.goBinary();
  lines.push(line);
});
process.send?.({ connected: lines.length });
process.on('disconnect', () => process.exit(0));
