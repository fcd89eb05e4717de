import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CATALOGUE } from './catalogue.ts';
import { type Invocation, parseArguments, wantsJson } from './program.ts';

function parse(...argv: string[]): Invocation {
  return parseArguments(CATALOGUE, argv, '1.2.3');
}

function run(...argv: string[]): Extract<Invocation, { kind: 'run' }> {
  const invocation = parse(...argv);
  assert.equal(invocation.kind, 'run', JSON.stringify(invocation));
  return invocation as Extract<Invocation, { kind: 'run' }>;
}

function refused(...argv: string[]): { message: string; hint: string; exit: number } {
  const invocation = parse(...argv);
  assert.equal(invocation.kind, 'refused', JSON.stringify(invocation));
  const { error, exit } = invocation as Extract<Invocation, { kind: 'refused' }>;
  assert.equal(error.code, 'invalid_argument');
  return { message: error.message, hint: error.hint, exit };
}

test('arguments and flags arrive with their types', () => {
  const { command, input, timeout } = run(
    'ping',
    'node-b',
    '--count',
    '3',
    '--interval=200ms',
    '--timeout',
    '2m',
  );
  assert.equal(command.name, 'ping');
  assert.deepEqual(input.args, { peer: 'node-b' });
  assert.deepEqual(input.flags, { count: 3, interval: 200 });
  assert.equal(timeout, 120_000);
});

test('defaults apply, and a command that may take forever has no limit', () => {
  assert.deepEqual(run('connect', 'b').input.args, { peer: 'b', port: 1000 });
  assert.equal(run('ping', 'b').timeout, 30_000);
  assert.equal(run('send-file', 'b', 'f').timeout, undefined);
  assert.equal(run('send-file', 'b', 'f', '--timeout', '5m').timeout, 300_000);
});

test('a switch swallows no argument', () => {
  const { input } = run('handshake', '--wait', 'node-b', 'because');
  assert.deepEqual(input.args, { peer: 'node-b', justification: 'because' });
  assert.equal(input.flags.wait, true);
});

test('a flag that may stand alone takes the next word only when that is a value for it', () => {
  const wait = (...words: string[]): unknown => run('send-message', 'node-b', ...words).input.flags.wait;
  assert.equal(wait('hello'), undefined);
  assert.equal(wait('hello', '--wait'), 30_000);
  assert.equal(wait('--wait', 'hello'), 30_000);
  assert.equal(wait('--wait', '5s', 'hello'), 5_000);
  assert.equal(wait('--wait=2m', 'hello'), 120_000);
  assert.equal(run('send-message', 'node-b', '--wait', 'hello').input.args.message, 'hello');
  assert.equal(wait('--', '--wait'), undefined);
  assert.match(refused('send-message', 'node-b', 'hello', '--wait=soon').message, /"soon" for --wait/);
});

test('data may look like a flag', () => {
  assert.equal(run('send', 'b', '7', '--data', '--json').input.flags.data, '--json');
  assert.equal(run('send', 'b', '7', '--data=--hello').input.flags.data, '--hello');
  assert.equal(run('send-message', 'b', '--', '--hello').input.args.message, '--hello');
});

test('--json may stand anywhere', () => {
  for (const argv of [
    ['--json', 'ping', 'b'],
    ['ping', '--json', 'b'],
    ['ping', 'b', '--json'],
    ['daemon', '--json', 'status'],
  ]) {
    assert.equal(run(...argv).json, true);
    assert(wantsJson(argv));
  }
  assert.equal(run('send', 'b', '7', '--data', '--json').json, false);
  assert(!wantsJson(['send-message', 'b', '--', '--json']));
});

test('a negated switch is on unless it is given', () => {
  assert.equal(run('init').input.flags.tls, true);
  assert.equal(run('init', '--no-tls').input.flags.tls, false);
});

test('an unknown flag is refused with the one meant', () => {
  assert.deepEqual(refused('ping', 'b', '--conut', '3'), {
    message: 'Unknown option "--conut"',
    hint: 'did you mean --count? see: pilotctl ping --help',
    exit: 1,
  });
});

test('an unknown command is refused with the one meant', () => {
  assert.deepEqual(refused('pnig', 'b'), {
    message: 'Unknown command "pnig"',
    hint: 'did you mean "pilotctl ping"? see the list with: pilotctl --help',
    exit: 2,
  });
  assert.equal(refused('pnig', '--json').exit, 1);
  assert.match(refused('daemon', 'strat').hint, /did you mean "pilotctl daemon start"\?/);
  assert.match(refused('inbox', 'raed', 'x').hint, /did you mean "pilotctl inbox read"\?/);
  assert.match(refused('registry', 'toekn').hint, /did you mean "pilotctl registry token"\?/);
  assert.match(refused('registry', 'token', 'lits').hint, /did you mean "pilotctl registry token list"\?/);
  assert.match(refused('help', 'pnig').message, /Unknown command "pnig"/);
});

test('a group without a command names its commands', () => {
  const { message, hint, exit } = refused('daemon');
  assert.equal(message, 'Missing command after "daemon"');
  assert.match(hint, /pilotctl daemon start, pilotctl daemon stop/);
  assert.equal(exit, 1);
  assert.equal(refused('registry', 'token').message, 'Missing command after "registry token"');
});

test('missing, surplus and wrong arguments are named', () => {
  assert.match(refused('ping').message, /Missing required argument "peer"/);
  assert.match(refused('ping', 'a', 'b').message, /Too many arguments for "ping"/);
  assert.equal(
    refused('recv', '70000').message,
    'Invalid value "70000" for <port>: expected a whole number of 0 to 65535',
  );
  assert.match(
    refused('ping', 'a', '--timeout', 'soon').message,
    /"soon" for --timeout: expected a duration/,
  );
  assert.match(refused('config', '--set').message, /argument missing/);
});

test('no command at all prints usage', () => {
  const invocation = parse();
  assert.equal(invocation.kind, 'usage');
  assert.match((invocation as { text: string }).text, /^Usage: pilotctl/);
});

test('every command has help with its examples', () => {
  for (const command of CATALOGUE) {
    for (const argv of [
      [...command.name.split(' '), '--help'],
      ['help', ...command.name.split(' ')],
    ]) {
      const invocation = parse(...argv);
      assert.equal(invocation.kind, 'answer', argv.join(' '));
      const { text } = invocation as { text: string };
      assert(text.startsWith(`Usage: pilotctl ${command.name}`), text);
      for (const { line } of command.examples) assert(text.includes(line), line);
      assert(text.includes('--json'));
    }
  }
});

test('every example parses', () => {
  for (const command of CATALOGUE) {
    assert(command.examples.length > 0, command.name);
    for (const { line } of command.examples) {
      const words = [
        ...(line.split('pilotctl ')[1] ?? '').split(/ (?:\|\||>|2>)/)[0]!.matchAll(/"([^"]*)"|(\S+)/g),
      ];
      const argv = words.map(([, quoted, bare]) => quoted ?? bare ?? '');
      assert.equal(parse(...argv).kind, 'run', line);
    }
  }
});

test('no arguments make the parser throw', () => {
  const words = fc.oneof(
    fc.constantFrom(
      ...CATALOGUE.flatMap(({ name }) => name.split(' ')),
      '--json',
      '--help',
      '--timeout',
      '--',
      '-x',
      'help',
    ),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 6 }), (argv) => {
      parse(...argv);
    }),
    { numRuns: 150 },
  );
});
