import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Node, Sandbox } from './pilotctl.ts';

let sandbox: Sandbox;
let node: Node;
let stopped: Node;

before(async () => {
  sandbox = await Sandbox.open();
  node = sandbox.node('a');
  stopped = sandbox.node('stopped');
  await node.data(['daemon', 'start']);
  writeFileSync(join(sandbox.root, 'not-utf8'), Buffer.from([0xff, 0xfe]));
});
after(() => sandbox.close());

interface Wrong {
  readonly args: readonly string[];
  readonly exit?: number;
  readonly code: string;
  readonly message: RegExp;
  readonly hint: RegExp;
}

/** Usage: nothing needs to run for these. */
const USAGE: readonly Wrong[] = [
  {
    args: ['pnig', 'b'],
    code: 'invalid_argument',
    message: /Unknown command "pnig"/,
    hint: /did you mean "pilotctl ping"/,
  },
  {
    args: ['daemon'],
    code: 'invalid_argument',
    message: /Missing command after "daemon"/,
    hint: /pilotctl daemon start/,
  },
  {
    args: ['daemon', 'strat'],
    code: 'invalid_argument',
    message: /"daemon strat"/,
    hint: /did you mean "pilotctl daemon start"/,
  },
  {
    args: ['ping'],
    code: 'invalid_argument',
    message: /Missing required argument "peer"/,
    hint: /pilotctl ping --help/,
  },
  {
    args: ['ping', 'a', 'b'],
    code: 'invalid_argument',
    message: /Too many arguments/,
    hint: /pilotctl ping --help/,
  },
  {
    args: ['ping', 'a', '--conut', '3'],
    code: 'invalid_argument',
    message: /Unknown option "--conut"/,
    hint: /did you mean --count/,
  },
  {
    args: ['ping', 'a', '--count', '0'],
    code: 'invalid_argument',
    message: /"0" for --count/,
    hint: /pilotctl ping --help/,
  },
  {
    args: ['ping', 'a', '--timeout', 'soon'],
    code: 'invalid_argument',
    message: /"soon" for --timeout: expected a duration/,
    hint: /--help/,
  },
  {
    args: ['recv', '70000'],
    code: 'invalid_argument',
    message: /whole number of 0 to 65535/,
    hint: /pilotctl recv --help/,
  },
  {
    args: ['set-hostname', 'Not_Good'],
    code: 'invalid_argument',
    message: /lower-case letters, digits and hyphens/,
    hint: /--help/,
  },
  {
    args: ['send-message', 'b', '--type', 'xml', '--data', 'x'],
    code: 'invalid_argument',
    message: /text, json, binary/,
    hint: /--help/,
  },
  {
    args: ['config', '--set', 'regsitry=x'],
    code: 'invalid_argument',
    message: /Unknown key "regsitry"/,
    hint: /did you mean "registry"/,
  },
  {
    args: ['config', '--set', 'public=maybe'],
    code: 'invalid_argument',
    message: /"maybe" for "public".*true or false/,
    hint: /pilotctl config --set public=/,
  },
  {
    args: ['config', '--set', 'oops'],
    code: 'invalid_argument',
    message: /not of the form key=value/,
    hint: /key=value/,
  },
  {
    args: ['config', '--unset', 'hostname'],
    code: 'not_found',
    message: /does not set "hostname"/,
    hint: /pilotctl config/,
  },
  {
    args: ['init', '--registry', 'http://x'],
    code: 'invalid_argument',
    message: /expected HOST or HOST:PORT/,
    hint: /pilotctl init --help/,
  },
  {
    args: ['init', '--registry', 'x', '--fingerprint', 'abc'],
    code: 'invalid_argument',
    message: /64 hex digits/,
    hint: /pilotctl init --help/,
  },
  { args: ['inbox', 'read', 'zzz'], code: 'not_found', message: /No message "zzz"/, hint: /pilotctl inbox/ },
  {
    args: ['rendezvous', 'stop'],
    code: 'not_running',
    message: /rendezvous is not running/,
    hint: /pilotctl rendezvous start/,
  },
  {
    args: ['daemon', 'stop'],
    code: 'not_running',
    message: /daemon is not running/,
    hint: /pilotctl daemon start/,
  },
  { args: ['daemon', 'logs'], code: 'not_found', message: /No log yet/, hint: /pilotctl daemon start/ },
  { args: ['trust'], code: 'not_running', message: /daemon is not running/, hint: /pilotctl daemon start/ },
];

/** These need a daemon, which has no peers. */
const RUNNING: readonly Wrong[] = [
  {
    args: ['daemon', 'start'],
    code: 'already_exists',
    message: /already running \(pid \d+\)/,
    hint: /pilotctl daemon restart/,
  },
  {
    args: ['ping', 'nobody'],
    code: 'not_found',
    message: /Cannot find "nobody"/,
    hint: /pilotctl handshake nobody/,
  },
  {
    args: ['find', 'nobody'],
    code: 'not_found',
    message: /Cannot find "nobody"/,
    hint: /pilotctl handshake nobody/,
  },
  {
    args: ['lookup', '4242'],
    code: 'not_found',
    message: /Cannot find "4242"/,
    hint: /pilotctl handshake 4242/,
  },
  { args: ['approve', '4242'], code: 'not_found', message: /4242/, hint: /pilotctl pending/ },
  { args: ['reject', '4242'], code: 'not_found', message: /4242/, hint: /pilotctl pending/ },
  { args: ['untrust', '4242'], code: 'not_found', message: /4242/, hint: /pilotctl/ },
  { args: ['disconnect', '999999'], code: 'not_found', message: /999999/, hint: /pilotctl connections/ },
  { args: ['recv', '1001'], code: 'port_in_use', message: /1001/, hint: /another port/ },
  {
    args: ['send', '4242', '7'],
    code: 'invalid_argument',
    message: /--data is missing/,
    hint: /--data TEXT/,
  },
  {
    args: ['send', '4242', '7', '--data', 'x', '--data-file', 'y'],
    code: 'invalid_argument',
    message: /Both --data and --data-file/,
    hint: /one/,
  },
  {
    args: ['send-message', 'b', '--data-file', '/nonexistent'],
    code: 'not_found',
    message: /File not found: \/nonexistent/,
    hint: /path/,
  },
  {
    args: ['send-message', 'b', '--type', 'json', '--data', '{'],
    code: 'invalid_argument',
    message: /not valid JSON/,
    hint: /--type text/,
  },
  { args: ['send-file', 'b', '/nonexistent'], code: 'not_found', message: /File not found/, hint: /path/ },
  { args: ['send-file', 'b', '/'], code: 'invalid_argument', message: /not a file/, hint: /tar/ },
];

for (const wrong of USAGE) {
  test(`pilotctl ${wrong.args.join(' ')} is refused with ${wrong.code}`, () => check(stopped, wrong));
}
for (const wrong of RUNNING) {
  test(`pilotctl ${wrong.args.join(' ')} fails with ${wrong.code} while the daemon runs`, () =>
    check(node, wrong));
}

async function check(at: Node, wrong: Wrong): Promise<void> {
  const error = await at.failure(wrong.args);
  assert.deepEqual([error.exit, error.code], [1, wrong.code], error.message);
  assert.match(error.message, wrong.message);
  assert.match(error.hint, wrong.hint);
  const human = await at.run(wrong.args);
  assert.notEqual(human.exit, 0);
  assert.equal(human.stdout, '');
  assert.match(human.stderr, /^error: .+\nhint: {2}.+\n$/m);
}

test('text that is no UTF-8 is refused as text', async () => {
  const error = await node.failure(['send-message', 'b', '--data-file', join(sandbox.root, 'not-utf8')]);
  assert.match(error.hint, /--type binary/);
});

test('an unknown command without JSON is a usage error', async () => {
  assert.equal((await stopped.run(['pnig'])).exit, 2);
  const bare = await stopped.run([]);
  assert.equal(bare.exit, 2);
  assert.match(bare.stderr, /^Usage: pilotctl/);
});

test('a wrong identity file stops the daemon from starting, says why, and is left alone', async () => {
  const broken = sandbox.node('broken');
  await broken.data(['daemon', 'start']);
  await broken.data(['daemon', 'stop']);
  writeFileSync(join(broken.home, 'identity.json'), '{"private_key":"AAAA"}');
  const error = await broken.failure(['daemon', 'start']);
  assert.equal(error.code, 'identity_invalid');
  assert.match(error.message, /identity\.json/);
  writeFileSync(join(broken.home, 'identity.json'), 'x');
  assert.equal((await broken.failure(['daemon', 'start'])).code, 'identity_invalid');
});

test('a corrupt trust file stops the daemon from starting, says why, and is left alone', async () => {
  const broken = sandbox.node('broken-trust');
  await broken.data(['daemon', 'start']);
  await broken.data(['daemon', 'stop']);
  writeFileSync(join(broken.home, 'trust.json'), '{"trusted":');
  const error = await broken.failure(['daemon', 'start']);
  assert.equal(error.code, 'state_corrupt');
  assert.match(error.message, /trust\.json/);
});

test('a bad configuration names the key, and the command in the hint mends it', async () => {
  const configured = sandbox.node('configured');
  await configured.data(['config', '--set', 'public=true']);
  writeFileSync(join(configured.home, 'config.json'), '{"registry": 7, "hots": 1}');
  const wrongType = await configured.failure(['daemon', 'start']);
  assert.match(wrongType.message, /7 for "registry"/);
  await configured.data(['config', '--unset', 'registry']);
  const unknown = await configured.failure(['daemon', 'start']);
  assert.match(unknown.message, /Unknown key "hots"/);
  assert.match(unknown.hint, /pilotctl config --unset hots/);
  await configured.data(['config', '--unset', 'hots']);
  assert.equal((await configured.data(['daemon', 'status'])).running, false);
});

test('a port that is taken is named', async () => {
  const other = sandbox.node('port');
  const { listen_endpoint } = await node.data<{ listen_endpoint: string }>(['info']);
  const error = await other.failure(['daemon', 'start', '--listen', listen_endpoint]);
  assert.equal(error.code, 'port_in_use');
  assert.match(error.message, new RegExp(listen_endpoint.split(':').at(-1) ?? 'x'));
});
