/**
 * The dashboard of a registry with many nodes: when a browser shows something, and how long the registry works for
 * each request, while it answers others and while its first census goes on.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { openBrowser } from '../../lab/dashboard/browser.ts';
import { TOKEN } from '../../lab/dashboard/served.ts';
import type { Overview } from '../../src/api/dashboard.ts';
import { median, percentile, table } from '../measure.ts';
import { flag, number } from '../options.ts';
import { residentMegabytes } from '../processes.ts';

const PAINT_GOAL = 2000;
const SERVER_GOAL = 100;

const short = flag('short');
const nodes = number('nodes', short ? 3000 : 200_000);
const rounds = number('rounds', short ? 3 : 100);
const paints = number('paints', short ? 1 : 7);

interface Ready {
  readonly url: string;
  readonly filled: number;
  readonly made: { readonly links: number };
}

interface Answer {
  /** Of the registry, ms: as it says itself. */
  readonly server: number;
  /** From here, ms. */
  readonly whole: number;
  readonly text: string;
}

/** What the page asks; `operator` for those that need to log in. */
const QUESTIONS: readonly (readonly [name: string, path: (turn: number) => string, operator: boolean])[] = [
  ['page', () => '/', false],
  ['overview', () => '/api/overview', false],
  ['history, 30 days', () => '/api/history?span=month', false],
  ['networks, all', () => '/api/networks', true],
  ['beacons', () => '/api/beacons', false],
  ['search a common word', () => '/api/nodes?q=weather', false],
  ['search two tags', () => '/api/nodes?q=%23weather%20%23gpu', false],
  ['search a name', (turn) => `/api/nodes?q=weather-oslo-${12 * (1 + turn * 7)}`, false],
  ['search nothing has', () => '/api/nodes?q=weather%20translate', false],
  ['search, all nodes, nothing has', (turn) => `/api/nodes?q=%23none&after=${turn * 997}`, true],
  ['a public node', (turn) => `/api/nodes/${1 + turn}`, false],
  ['any node, all of it', (turn) => `/api/nodes/${1 + turn * 13}`, true],
  ['trust around a node', (turn) => `/api/trust?node=${1 + turn}`, true],
  ['trust, the busiest', () => '/api/trust', true],
  ['metrics', () => '/metrics', false],
];

async function main(): Promise<void> {
  const child = fork(fileURLToPath(new URL('server.js', import.meta.url)), [String(nodes)]);
  const browser = await openBrowser();
  try {
    const [ready] = (await once(child, 'message')) as [Ready];
    console.log(
      `${nodes} nodes, ${ready.made.links} links of trust, filled in ${(ready.filled / 1000).toFixed(0)} s`,
    );
    const begun = performance.now();
    const early = await measure(ready.url, short ? 1 : 5);
    const census = await untilCounted(ready.url);
    console.log(
      `first census over ${((performance.now() - begun) / 1000).toFixed(0)} s after the start, ${census} nodes`,
    );
    const steady = await measure(ready.url, rounds);
    print(early, steady);
    const painted = [
      await paint(browser, ready.url, 'desk', paints),
      await paint(browser, ready.url, 'phone', paints),
    ];
    table([
      ['browser, ms', 'first paint', 'slowest', 'figures shown', 'slowest'],
      ...painted.map(({ name, first, figures }) => [
        name,
        median(first).toFixed(0),
        Math.max(...first).toFixed(0),
        median(figures).toFixed(0),
        Math.max(...figures).toFixed(0),
      ]),
    ]);
    console.log(`memory of the registry: ${residentMegabytes(child.pid!).toFixed(0)} MB`);
    const slowest = Math.max(...[...early, ...steady].flatMap(({ times }) => times));
    const latest = Math.max(...painted.flatMap(({ first }) => first));
    console.log(
      `slowest request ${slowest.toFixed(1)} ms of server time (goal ${SERVER_GOAL}): ${verdict(slowest < SERVER_GOAL)}`,
    );
    console.log(
      `latest first paint ${latest.toFixed(0)} ms (goal ${PAINT_GOAL}): ${verdict(latest < PAINT_GOAL)}`,
    );
    if (!short && (slowest >= SERVER_GOAL || latest >= PAINT_GOAL)) process.exitCode = 1;
  } finally {
    await browser.close();
    if (child.connected) child.send('stop');
    await once(child, 'exit');
  }
}

interface Row {
  readonly name: string;
  readonly times: readonly number[];
  readonly whole: readonly number[];
}

async function measure(url: string, times: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, path, operator] of QUESTIONS) {
    const answers: Answer[] = [];
    for (let turn = 0; turn < times; turn++) answers.push(await ask(`${url}${path(turn)}`, operator, turn));
    rows.push({ name, times: answers.map(({ server }) => server), whole: answers.map(({ whole }) => whole) });
  }
  return rows;
}

/** Asks from many addresses of this machine: each may ask only so much. */
function ask(url: string, operator: boolean, turn: number): Promise<Answer> {
  const begun = performance.now();
  const agent = new Agent({ localAddress: `127.0.0.${2 + (turn % 250)}` });
  const headers = operator ? { authorization: `Bearer ${TOKEN}` } : {};
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        agent.destroy();
        const server = Number(/dur=([\d.]+)/.exec(String(response.headers['server-timing']))?.[1]);
        const known = response.statusCode === 200 || response.statusCode === 404;
        if (!known || Number.isNaN(server)) reject(new Error(`${url}: ${response.statusCode}`));
        else resolve({ server, whole: performance.now() - begun, text: Buffer.concat(chunks).toString() });
      });
    }).on('error', reject);
  });
}

async function untilCounted(url: string): Promise<number> {
  for (;;) {
    const { text } = await ask(`${url}/api/overview`, false, 0);
    const overview = JSON.parse(text) as Overview;
    if (overview.census_at > 0) return overview.nodes.registered;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Opens the page as if for the first time. A phone has a processor four times as slow and a slow network. */
async function paint(
  browser: Browser,
  url: string,
  kind: 'desk' | 'phone',
  times: number,
): Promise<{ readonly name: string; readonly first: number[]; readonly figures: number[] }> {
  const first: number[] = [];
  const figures: number[] = [];
  for (let i = 0; i < times; i++) {
    const viewport = kind === 'desk' ? { width: 1280, height: 860 } : { width: 390, height: 844 };
    const context = await browser.newContext({ viewport, locale: 'en-US' });
    const page = await context.newPage();
    if (kind === 'phone') {
      const session = await context.newCDPSession(page);
      await session.send('Emulation.setCPUThrottlingRate', { rate: 4 });
      await session.send('Network.emulateNetworkConditions', {
        ...{ offline: false, latency: 150 },
        ...{ downloadThroughput: 200_000, uploadThroughput: 93_750 },
      });
    }
    const begun = performance.now();
    await page.goto(`${url}/`, { waitUntil: 'commit' });
    await page.waitForSelector('.tile .value');
    figures.push(performance.now() - begun);
    const painted = await page.evaluate(
      "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1",
    );
    first.push(Number(painted));
    await context.close();
  }
  const name = kind === 'desk' ? 'desk' : 'phone: processor 4 times slower, 1.6 Mbit/s, 150 ms';
  return { name, first, figures };
}

function print(early: readonly Row[], steady: readonly Row[]): void {
  table([
    ['server time, ms', 'p50', 'p99', 'max', 'max in the first census', 'whole p50'],
    ...steady.map(({ name, times, whole }, i) => [
      name,
      median(times).toFixed(1),
      percentile(times, 0.99).toFixed(1),
      Math.max(...times).toFixed(1),
      Math.max(...early[i]!.times).toFixed(1),
      median(whole).toFixed(1),
    ]),
  ]);
}

function verdict(good: boolean): string {
  return good ? 'met' : 'missed';
}

await main();
