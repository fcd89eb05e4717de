/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { openBrowser } from '../../lab/dashboard/browser.ts';
import { type Served, serveNetwork, TOKEN } from '../../lab/dashboard/served.ts';

const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 900 };
const VIEWS = ['#/', '#/nodes', '#/networks', '#/trust', '#/beacons', '#/node?id=12'];
/** What a client may have put into texts that nobody checks. */
const MARKUP = '<img src=x onerror="document.title=\'owned\'">';

let served: Served;
let browser: Browser;

before(async () => {
  served = await serveNetwork({ nodes: 400, past: true });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await served?.close();
});

interface Opened {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors, broken policies, and requests to anywhere else. */
  readonly problems: string[];
}

async function open(
  place: string,
  options: { viewport?: typeof PHONE; colorScheme?: 'light' | 'dark'; operator?: boolean } = {},
): Promise<Opened> {
  const { operator = false, viewport = DESK, colorScheme = 'light' } = options;
  const context = await browser.newContext({
    viewport,
    colorScheme,
    locale: 'en-US',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(served.url)) problems.push(`asks ${request.url()}`);
    if (request.url().includes(TOKEN)) problems.push('a token in an address');
  });
  if (operator) await page.request.post(`${served.url}/api/session`, { data: { token: TOKEN } });
  await page.goto(`${served.url}/${place}`);
  await page.waitForSelector('.live.on');
  return { page, context, problems };
}

const tile = (page: Page, label: string) => page.locator('.tile', { hasText: label }).locator('.value');

test('the overview shows the network, and follows it without a reload', async () => {
  const { page, context, problems } = await open('#/');
  await page.waitForFunction(() => document.querySelectorAll('.bars .count').length > 0);
  assert.equal(await tile(page, 'Nodes registered').textContent(), '400');
  const before = Number(await tile(page, 'Nodes on-line').textContent());
  await page.waitForSelector('.plot canvas');
  await page.evaluate(() => Object.assign(window, { kept: true }));
  const at = Date.now();
  await served.store.register({
    publicKey: new Uint8Array(32).fill(200),
    proven: false,
    owner: '',
    endpoint: '198.51.100.200:4000',
    lan: [],
    beacons: [],
    version: '1.7.2',
    relayOnly: false,
    hostname: 'brand-new',
    release: { unprovenSeenBefore: 0, anySeenBefore: 0 },
    maxNodes: 1_000_000,
    at,
  });
  await page.waitForFunction(
    (expected) => [...document.querySelectorAll('.tile .value')][0]?.textContent === expected,
    String(before + 1),
  );
  await page.waitForFunction(() => [...document.querySelectorAll('.tile .value')][1]?.textContent === '401');
  assert.equal(await page.evaluate(() => 'kept' in window), true);
  await page.click('text=30 d');
  assert.equal(await page.getAttribute('button:has-text("30 d")', 'aria-pressed'), 'true');
  assert.deepEqual(problems, []);
  await context.close();
});

test('nodes are found by name and by tag, and lead to their page', async () => {
  const { page, context, problems } = await open('#/');
  await page.click('nav >> text=Nodes');
  await page.waitForSelector('.node');
  await page.fill('#find', 'weather-lima');
  // The one that is called so, then those with both words in their names.
  await page.waitForFunction(() => document.querySelectorAll('.node').length === 3);
  assert.match((await page.textContent('.node .name')) ?? '', /^weather-lima0:/);
  assert.match(page.url(), /#\/nodes\?q=weather-lima$/);
  await page.fill('#find', '#gpu');
  await page.waitForFunction(() => {
    const nodes = [...document.querySelectorAll('.node')];
    return nodes.length > 3 && nodes.every((node) => node.textContent?.includes('#gpu'));
  });
  await page.fill('#find', 'nobody-is-called-so');
  await page.waitForSelector('text=Nothing found');
  await page.fill('#find', 'weather-lima');
  await page.waitForFunction(() => document.querySelectorAll('.node').length === 3);
  await page.click('.node');
  await page.waitForSelector('h1');
  assert.equal(await page.textContent('h1'), 'weather-lima');
  await page.waitForSelector('text=Answers questions about weather');
  await page.goBack();
  await page.waitForSelector('.node');
  assert.deepEqual(problems, []);
  await context.close();
});

test('strangers are shown nothing private; operators who log in are, until they log out', async () => {
  const { page, context, problems } = await open('#/node?id=12');
  await page.waitForSelector('h1');
  const text = (): Promise<string> => page.innerText('main');
  assert.doesNotMatch(await text(), /198\.51\.|10\.0\.0|For operators/);
  await page.click('nav >> text=Trust');
  await page.waitForSelector('text=shown to operators only');
  assert.equal(await page.locator('canvas').count(), 0);

  await page.click('#session');
  await page.fill('#token', 'a wrong token');
  await page.click('dialog button:has-text("Log in")');
  await page.waitForSelector('#login-problem:not(:empty)');
  await page.fill('#token', TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.graph canvas');
  assert.equal(await page.textContent('#session'), 'Log out');
  await page.goto(`${served.url}/#/node?id=${served.made.secret}`);
  await page.waitForSelector('text=For operators');
  assert.match(await text(), /198\.51\.0\.3:4003/);
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script reads the token');
  const cookies = await context.cookies();
  assert.deepEqual(
    cookies.map(({ httpOnly, sameSite }) => ({ httpOnly, sameSite })),
    [{ httpOnly: true, sameSite: 'Strict' }],
  );
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.equal(stored, '[{},{}]');

  await page.click('#session');
  await page.waitForSelector('text=There is no such node, or it is private');
  assert.doesNotMatch(await text(), /198\.51/);
  const asked = problems.filter((problem) => !/status of (401|404)/.test(problem));
  assert.deepEqual(asked, []);
  await context.close();
});

test('what clients wrote is text, whatever is in it', async () => {
  const made = await served.store.register({
    publicKey: new Uint8Array(32).fill(201),
    proven: false,
    owner: MARKUP,
    endpoint: MARKUP,
    lan: [MARKUP],
    beacons: [],
    version: MARKUP,
    relayOnly: false,
    hostname: MARKUP,
    release: { unprovenSeenBefore: 0, anySeenBefore: 0 },
    maxNodes: 1_000_000,
    at: Date.now(),
  });
  assert.ok('node' in made);
  const { id } = made.node;
  await served.store.patchNode(id, { public: true, tags: [MARKUP, 'marked'] }, Date.now());
  const record = JSON.stringify({ services: [{ name: MARKUP, port: 1, description: MARKUP }] });
  await served.store.publishRecord(id, { sequence: 1, document: record, terms: [] });
  for (const place of ['#/nodes?q=%23marked', `#/node?id=${id}`]) {
    const { page, context, problems } = await open(place, { operator: true });
    await page.waitForFunction(
      (markup) => document.querySelector('main')?.textContent?.includes(markup),
      MARKUP,
    );
    assert.equal(await page.locator('main img').count(), 0);
    assert.notEqual(await page.title(), 'owned');
    assert.deepEqual(problems, []);
    await context.close();
  }
});

test('texts of any length stay where they belong', async () => {
  // The counts of the overview know of the node above after the next census.
  const { page, context, problems } = await open('#/', { viewport: PHONE });
  await page.waitForFunction(
    (markup) => document.querySelector('.chips')?.textContent?.includes(markup),
    MARKUP,
  );
  const { width, wide } = await page.evaluate(() => ({
    width: document.documentElement.clientWidth,
    wide: document.documentElement.scrollWidth,
  }));
  assert.ok(wide <= width, `${wide} on ${width}`);
  assert.deepEqual(problems, []);
  await context.close();
});

test('every view fits a phone and a desk, by day and by night', async () => {
  for (const viewport of [PHONE, DESK]) {
    const grounds = new Set<string>();
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, context, problems } = await open('#/', { viewport, colorScheme, operator: true });
      for (const view of VIEWS) {
        await page.goto(`${served.url}/${view}`);
        await page.waitForFunction(() => document.querySelector('main .card') !== null);
        const { width, wide } = await page.evaluate(() => ({
          width: document.documentElement.clientWidth,
          wide: document.documentElement.scrollWidth,
        }));
        assert.ok(wide <= width, `${view} is ${wide} wide on ${width}`);
      }
      const contrast = await page.evaluate(() => {
        const light = (colour: string): number => {
          const [r = 0, g = 0, b = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number).map((value) => {
            const part = value / 255;
            return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const card = document.querySelector('.card')!;
        const ground = light(getComputedStyle(card).backgroundColor);
        return ['dt', 'dd', 'h2', 'a.chip'].map((selector) => {
          const text = light(getComputedStyle(document.querySelector(`main ${selector}`)!).color);
          return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
        });
      });
      for (const ratio of contrast) assert.ok(ratio >= 4.5, `contrast ${ratio} by ${colorScheme}`);
      grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      assert.deepEqual(problems, []);
      await context.close();
    }
    assert.equal(grounds.size, 2);
  }
});

test('the page says when the registry is gone, and goes on when it is back', async () => {
  const { page, context } = await open('#/');
  const registered = await tile(page, 'Nodes registered').textContent();
  await page.evaluate(() => Object.assign(window, { kept: true }));
  await served.stop();
  await page.waitForSelector('.live.off');
  assert.equal(await page.textContent('#live'), 'reconnecting');
  assert.equal(await tile(page, 'Nodes registered').textContent(), registered);
  await served.startAgain();
  await page.waitForSelector('.live.on');
  await page.waitForFunction(
    (expected) => [...document.querySelectorAll('.tile .value')][1]?.textContent === expected,
    registered,
  );
  assert.equal(await page.evaluate(() => 'kept' in window), true);
  // The curves are those of before: they were kept beside the store.
  const { at } = await page.evaluate(
    async () => (await (await fetch('/api/history?span=month')).json()) as { at: number[] },
  );
  assert.ok(at.length > 300);
  await context.close();
});
