import type { Clock } from '../../runtime/ports.ts';
import type { CallContext, Reply } from '../service/call.ts';
import { HANDLERS, NOT_OFFERED } from '../service/handlers.ts';
import type { RegistryService } from '../service/service.ts';
import type { CounterName, Meters } from './meters.ts';

/** Requests that are counted once more by what they did. */
const CHANGES: Readonly<Record<string, CounterName>> = {
  register: 'pilot_registrations_total',
  deregister: 'pilot_deregistrations_total',
  report_trust: 'pilot_trust_reports_total',
  revoke_trust: 'pilot_trust_revocations_total',
  request_handshake: 'pilot_handshake_requests_total',
  rotate_key: 'pilot_key_rotations_total',
  invite_to_network: 'pilot_invites_sent_total',
  set_network_policy: 'pilot_policy_changes_total',
  set_expr_policy: 'pilot_policy_changes_total',
};
const ROLES: Readonly<Record<string, string>> = {
  kick_member: 'kick',
  promote_member: 'promote',
  demote_member: 'demote',
  transfer_ownership: 'transfer_ownership',
};

interface TypeMeter {
  done(reply: Reply | undefined, seconds: number): void;
}

/** Counts and times every request of a registry. */
export class RequestMeter {
  readonly #meters: Meters;
  readonly #clock: Clock;
  readonly #types = new Map<string, TypeMeter>();
  #total = 0;

  constructor(meters: Meters, clock: Clock) {
    this.#meters = meters;
    this.#clock = clock;
  }

  /** Requests since the start. */
  get total(): number {
    return this.#total;
  }

  /** The service with a meter before it. */
  wrap(service: RegistryService): RegistryService {
    return {
      ...service,
      handle: async (request, context) => {
        const begun = this.#clock.now();
        const reply = await service.handle(request, context);
        this.#done(request, begun, reply.type === 'error' ? undefined : reply);
        return reply;
      },
      perform: async (request: object, context: CallContext) => {
        const begun = this.#clock.now();
        let reply: Reply | undefined;
        try {
          reply = await service.perform(request, context);
          return reply;
        } finally {
          this.#done(request, begun, reply);
        }
      },
    };
  }

  #done(request: object, begun: number, reply: Reply | undefined): void {
    this.#total++;
    const { type } = request as { type?: unknown };
    // A client chooses the text: only what exists becomes a label.
    const known = typeof type === 'string' && (HANDLERS.has(type) || NOT_OFFERED.has(type));
    const name = known ? type : 'unknown';
    let meter = this.#types.get(name);
    if (meter === undefined) this.#types.set(name, (meter = this.#meterOf(name)));
    meter.done(reply, (this.#clock.now() - begun) / 1000);
  }

  #meterOf(type: string): TypeMeter {
    const meters = this.#meters;
    const requests = meters.counter('pilot_requests_total').labels(type);
    const errors = meters.counter('pilot_errors_total').labels(type);
    const duration = meters.histogram('pilot_request_duration_seconds').labels(type);
    const change = CHANGES[type];
    const role = ROLES[type];
    return {
      done(reply, seconds) {
        requests.inc();
        duration.observe(seconds);
        if (reply === undefined) {
          errors.inc();
          return;
        }
        if (change !== undefined) meters.counter(change).inc();
        if (role !== undefined) meters.counter('pilot_rbac_operations_total').inc({ op: role });
        if (type === 'respond_invite') {
          const followed = reply.accepted === true;
          meters.counter(followed ? 'pilot_invites_accepted_total' : 'pilot_invites_rejected_total').inc();
        }
      },
    };
  }
}
