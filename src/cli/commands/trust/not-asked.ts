import { asPilotError, PilotError } from '../../../api/errors.ts';

/** An answer to somebody who has not asked: the list of those who have is what helps. */
export function notAsked(thrown: unknown): never {
  const error = asPilotError(thrown);
  if (error.code !== 'not_found') throw error;
  throw new PilotError('not_found', error.message, {
    hint: 'see who has asked: pilotctl pending',
    cause: error,
  });
}
