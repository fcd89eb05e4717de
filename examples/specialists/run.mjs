// Three specialist agents on a network of their own, and somebody who asks them. Usage: npm run example
import { join } from 'node:path';
import { HERE, PILOTCTL, Site } from './site.mjs';

/** Whoever asks is trusted at once: with the port of messages, and nothing else. */
const PUBLIC_SERVICE = {
  auto_approve: [{ name: 'public', everyone: true, give: 'messages', get: 'none', limit: '60/min' }],
};
const NETWORK = 'specialists';
const SPECIALISTS = {
  'list-agents': 'which agents there are',
  units: 'converts units: "12 km in miles"',
  'text-stats': 'counts words and sentences of any text',
};

const program = (file, ...words) =>
  [process.execPath, join(HERE, file), ...words].map((word) => `'${word}'`).join(' ');
const say = (text) => console.log(text);
const site = await Site.open();
try {
  say('starting three specialists; they are private, and approve whoever asks them, for messages only');
  await Promise.all(
    Object.entries(SPECIALISTS).map(async ([name, about]) => {
      await site.node(name, PUBLIC_SERVICE);
      await site.pilotctl(name, ['service', 'add', name, '1001', '--description', about]);
    }),
  );
  const { data } = JSON.parse(await site.pilotctl('list-agents', ['network', 'create', NETWORK, '--json']));
  const network = data.network_id;
  for (const name of ['units', 'text-stats']) await site.pilotctl(name, ['network', 'join', NETWORK]);

  await site.serve('list-agents', [
    ...['--command', program('list-agents.mjs', PILOTCTL, network)],
    ...['--about', SPECIALISTS['list-agents'], '--help-text', 'say anything, or /data for JSON'],
  ]);
  await site.serve('units', [
    ...['--command', program('units.mjs')],
    ...[
      '--about',
      SPECIALISTS.units,
      '--help-text',
      'ask: 12 km in miles; or /data {"value":12,"from":"km","to":"miles"}',
    ],
  ]);
  await site.serve('text-stats', [
    ...['--lines', '--command', program('text-stats.mjs')],
    ...['--about', SPECIALISTS['text-stats'], '--help-text', 'send text; or /data {"text":"…"}'],
  ]);

  say('starting a node that nobody knows; from here on it asks, and nobody approves anything by hand\n');
  await site.node('asker');
  const ask = async (...words) => {
    say(`$ pilotctl ask ${words.map((word) => (/^[\w-]+$/.test(word) ? word : `'${word}'`)).join(' ')}`);
    say(`${await site.pilotctl('asker', ['ask', ...words])}\n`);
  };
  await ask('list-agents', 'who is there?');
  await ask('units', '12 km in miles');
  await ask('text-stats', 'Brevity is the soul of wit. Is it?');
  say('all three answered');
} finally {
  await site.close();
}
