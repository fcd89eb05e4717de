import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ReplyChoice } from './reply-choice.ts';

const NAMELESS = {};
const OURS = { replyTo: 'q' };
const OTHER = { replyTo: 'x' };

describe('which message is the reply (spec/23 §4)', () => {
  test('one that names the question wins, one that names another is ignored', () => {
    const choice = new ReplyChoice('q', false);
    assert.equal(choice.isAnswer(OTHER, 0), false);
    assert.equal(choice.isAnswer(OURS, 1), true);
  });

  test('one that names nothing is taken at once from a peer that never named anything', () => {
    assert.equal(new ReplyChoice('q', false).isAnswer(NAMELESS, 0), true);
  });

  test('and from any peer when the question went out without its id', () => {
    const choice = new ReplyChoice('q', true);
    choice.untagged();
    assert.equal(choice.isAnswer(OTHER, 0), false);
    assert.equal(choice.isAnswer(NAMELESS, 0), true);
  });

  test('from a peer that named ids before it is held, and taken at the end of the wait, 750 ms old at least', () => {
    const choice = new ReplyChoice<object>('q', true);
    const [first, second] = [{}, {}];
    assert.equal(choice.isAnswer(first, 100), false);
    assert.equal(choice.isAnswer(second, 200), false);
    assert.deepEqual(choice.atEnd(500), { holdFor: 350 });
    const last = choice.atEnd(850);
    assert.ok(last !== undefined && 'answer' in last && last.answer === first);
  });

  test('a peer seen naming ids during the wait must name ours', () => {
    const choice = new ReplyChoice('q', true);
    choice.isAnswer(NAMELESS, 0);
    choice.isAnswer(OTHER, 1);
    assert.equal(choice.isAnswer(NAMELESS, 2), false);
    assert.equal(choice.atEnd(10_000), undefined);
    assert.equal(choice.isAnswer(OURS, 3), true);
  });

  test('nothing is taken that names another message, in any order', () => {
    const candidate = fc.constantFrom<{ replyTo?: string }>(NAMELESS, OURS, OTHER);
    fc.assert(
      fc.property(fc.array(candidate), fc.boolean(), fc.boolean(), (offered, echoes, untagged) => {
        const choice = new ReplyChoice<{ replyTo?: string }>('q', echoes);
        if (untagged) choice.untagged();
        const taken = offered.find((each, at) => choice.isAnswer(each, at)) ?? choice.atEnd(1e6);
        if (taken === undefined) return offered.every((each) => each.replyTo !== 'q');
        const answer =
          'answer' in taken ? (taken.answer as { replyTo?: string }) : (taken as { replyTo?: string });
        return answer.replyTo !== 'x';
      }),
    );
  });
});
