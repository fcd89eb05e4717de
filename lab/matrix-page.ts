/** Writes the record as docs/nat-matrix.md. */
import { CABLE, FURTHER, PAIRS } from './cells.ts';
import { type CellRecord, firstByteLimit, type MatrixRecord, TO_DIRECT_MS } from './matrix-record.ts';

const KINDS = ['full-cone', 'address-restricted', 'port-restricted', 'symmetric'] as const;

export function matrixPage(record: MatrixRecord): string {
  const known = new Map(record.cells.map((cell) => [cell.id, cell]));
  const pairs = PAIRS.flatMap(({ id }) => known.get(id) ?? []);
  return `# Who reaches whom

Written by \`npm run nat-matrix\` from its record, \`docs/nat-matrix.json\`: real daemons, a real registry and beacon, behind
real kernel NATs in network namespaces (\`lab/network.ts\`, \`lab/router-rules.ts\`; plain sockets prove that the routers
behave as they are called, \`lab/router-rules.test.ts\`). Each way to the internet is a cable with ${CABLE.delayMs} ms of delay one
way: the beacon is ${2 * CABLE.delayMs!} ms away, a peer ${4 * CABLE.delayMs!} ms. For each run both routers and both daemons start anew, without mappings or
sessions; 1.5 s after both have registered, node-a connects to node-b.

- **connected**: the echo of the first bytes arrived.
- **best path**: runs that ended on the best path that can exist there. An oracle (\`lab/oracle.ts\`) derives it from the
  routers alone. The path is what the kernel counts at the host, not what the daemon says.
- **first byte**: from \`connect\` to the first byte of the answer. Limit: three round trips to the beacon and 200 ms.
- **direct after**: from \`connect\` until packets go straight. Limit: ${TO_DIRECT_MS / 1000} s, median.
- **why**: runs in which \`pilotctl why\` named the true cause.

Times are milliseconds: median / 95th percentile / slowest. \`npm run nat-matrix -- --check\` measures again and fails when
a cell became worse than it is here.

## The sixteen pairs

Direct runs, of runs. Rows connect, columns are connected to. Symmetric NATs choose random ports.

| | ${KINDS.join(' | ')} |
|---|${KINDS.map(() => '---').join('|')}|
${KINDS.map((a) => `| **${a}** | ${KINDS.map((b) => square(known.get(`${a} × ${b}`))).join(' | ')} |`).join('\n')}

${verdict(pairs)}

${table(pairs)}

## Further places

\`sequential\`: a symmetric NAT whose ports follow each other. \`cgnat\`: two NATs in a row. \`dual\`: IPv4 behind a NAT and IPv6
behind a stateful firewall. \`lost\`: addresses and routes of the family look right, but every packet is lost. \`proxy only\`:
nothing leaves but by an HTTP proxy with credentials.

${table(FURTHER.flatMap(({ id }) => known.get(id) ?? []))}
`;
}

function square(cell: CellRecord | undefined): string {
  if (cell === undefined) return '';
  return `${cell.paths.direct ?? 0} / ${cell.runs}`;
}

function verdict(pairs: readonly CellRecord[]): string {
  const sum = (of: (cell: CellRecord) => number): number =>
    pairs.reduce((total, cell) => total + of(cell), 0);
  const runs = sum(({ runs }) => runs);
  const always = pairs.filter(({ paths, runs }) => paths.direct === runs).length;
  const mostly = pairs.filter(({ paths, runs }) => (paths.direct ?? 0) > runs / 2).length;
  return `${sum(({ connected }) => connected)} of ${runs} runs connected. ${mostly} of ${pairs.length} pairs are direct, ${always} of them in every run.`;
}

function table(cells: readonly CellRecord[]): string {
  const rows = cells.map((cell) => {
    const limit = firstByteLimit([...PAIRS, ...FURTHER].find(({ id }) => id === cell.id)!);
    const columns = [
      cell.id,
      BEST[cell.best] + (cell.by === 'guess' ? ' (by chance)' : ''),
      `${cell.connected} / ${cell.runs}`,
      `${cell.reached} / ${cell.runs}`,
      times(cell.firstByte) + (cell.firstByte !== null && cell.firstByte[0] > limit ? ' (over)' : ''),
      cell.best === 'relay' ? '' : times(cell.toDirect),
      `${cell.whyTrue} / ${cell.runs} ${Object.keys(cell.why).join(', ')}`,
    ];
    return `| ${columns.join(' | ')} |`;
  });
  return `| a × b | best possible | connected | best path | first byte | direct after | why |
|---|---|---|---|---|---|---|
${rows.join('\n')}`;
}

const BEST = { lan: 'LAN', direct: 'direct', relay: 'relay' } as const;

function times(spread: CellRecord['firstByte']): string {
  return spread === null ? '' : spread.join(' / ');
}
