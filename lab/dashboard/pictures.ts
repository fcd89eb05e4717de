/** Pictures of every view, on a phone and a desk, by day and by night, for docs/dashboard.md. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import { serveNetwork, TOKEN } from './served.ts';
import { makeTraffic } from './traffic.ts';

const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 860 } };
type Size = keyof typeof SIZES;
type Scheme = 'light' | 'dark';

/** What is shown of what, to whom. */
const PICTURES: readonly (readonly [
  name: string,
  place: string,
  who: 'operator' | 'public',
  Size,
  Scheme,
])[] = [
  ['overview', '#/', 'public', 'desktop', 'light'],
  ['overview', '#/', 'public', 'desktop', 'dark'],
  ['overview', '#/', 'public', 'phone', 'light'],
  ['overview', '#/', 'public', 'phone', 'dark'],
  ['nodes', '#/nodes?q=weather', 'public', 'desktop', 'light'],
  ['nodes', '#/nodes?q=%23gpu', 'public', 'phone', 'dark'],
  ['node', '#/node?id=12', 'operator', 'desktop', 'dark'],
  ['node', '#/node?id=12', 'public', 'phone', 'light'],
  ['networks', '#/networks', 'operator', 'desktop', 'light'],
  ['networks', '#/networks', 'public', 'phone', 'dark'],
  ['trust', '#/trust', 'operator', 'desktop', 'dark'],
  ['trust', '#/trust', 'operator', 'desktop', 'light'],
  ['trust', '#/trust', 'public', 'phone', 'light'],
  ['beacons', '#/beacons', 'public', 'desktop', 'light'],
];

async function main(): Promise<void> {
  const at = process.argv.indexOf('--into');
  const into = at < 0 ? 'docs/dashboard' : process.argv[at + 1]!;
  const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
  await mkdir(into, { recursive: true });
  const served = await serveNetwork({ nodes: 5000, past: true, beacons: 3 });
  const traffic = await makeTraffic(served.registryPort, {
    own: served.beaconPort,
    others: served.beacons,
  });
  const browser = await openBrowser();
  try {
    for (const [name, place, who, size, scheme] of PICTURES) {
      if (only !== undefined && only !== name) continue;
      const page = await openPage(browser, size, scheme);
      if (who === 'operator')
        await page.request.post(`${served.url}/api/session`, { data: { token: TOKEN } });
      await page.goto(`${served.url}/${place}`);
      await page.waitForSelector('.live.on');
      await page.waitForTimeout(name === 'overview' ? 25_000 : 4000);
      const path = join(into, `${name}-${size}-${scheme}.png`);
      await page.screenshot({ path, fullPage: size === 'desktop' || name !== 'nodes' });
      console.log(path);
      await page.context().close();
    }
  } finally {
    await browser.close();
    traffic.close();
    await served.close();
  }
}

async function openPage(browser: Browser, size: Size, colorScheme: Scheme): Promise<Page> {
  const context = await browser.newContext({
    viewport: SIZES[size],
    colorScheme,
    deviceScaleFactor: size === 'phone' ? 2 : 1,
    reducedMotion: 'reduce',
    locale: 'en-US',
    timezoneId: 'UTC',
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(error));
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(message.text());
  });
  return page;
}

await main();
