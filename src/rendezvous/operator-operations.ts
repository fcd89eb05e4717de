import { PilotError } from '../api/errors.ts';
import { ConnectionState, LOCAL_OPERATOR, type RegistryService } from '../registry/index.ts';
import { isJsonObject } from '../wire/json.ts';
import type { ControlOperation } from './control.ts';

/** Requests for operators alone: what nodes ask needs a node. */
const FAMILIES = /^(?:token|audit|webhook)_[a-z]+$/;
const HERE = { host: '127.0.0.1', port: 0 };

/**
 * `request` asks the registry as an operator who may do everything: whoever can use this socket can read the store
 * as well. The reply is that of the registry, also when it refuses.
 */
export function operatorOperations(service: RegistryService): Readonly<Record<string, ControlOperation>> {
  return {
    async request({ request }) {
      if (!isJsonObject(request) || typeof request.type !== 'string' || !FAMILIES.test(request.type)) {
        throw new PilotError(
          'invalid_argument',
          'expected a request about tokens, webhooks or the audit log',
        );
      }
      const connection = new ConnectionState(HERE, false, () => {});
      const context = { remote: HERE, connection, operator: LOCAL_OPERATOR };
      return { reply: await service.handle({ ...request, request_id: 0 }, context) };
    },
  };
}
