import { asPilotError } from '../api/errors.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Clock, Log, Storage } from '../runtime/ports.ts';
import { DataExchange } from '../services/data-exchange/server.ts';
import { serveEcho } from '../services/echo.ts';
import type { DaemonConfig } from './config.ts';
import type { MessageDesk } from './message-desk.ts';
import { streamHost } from './stream-host.ts';
import type { StreamTable } from './streams.ts';

export interface Services {
  stop(): Promise<void>;
}

/** Starts the built-in services that the configuration leaves on. */
export function startServices(
  options: { clock: Clock; crypto: Crypto; log: Log; storage: Storage; config: DaemonConfig },
  streams: StreamTable,
  messages: MessageDesk,
): Services {
  const { clock, crypto, log, storage, config } = options;
  const host = streamHost(streams);
  const stops: (() => void | Promise<void>)[] = [];
  if (config.services?.echo !== false) {
    const echo = serveEcho(host);
    stops.push(() => echo.close());
  }
  if (config.services?.dataExchange !== false) {
    const exchange = DataExchange.start({ host, clock, crypto, log, storage, programs: messages });
    messages.attach(exchange);
    stops.push(() => exchange.stop());
  }
  return {
    async stop() {
      for (const stop of stops) {
        try {
          await stop();
        } catch (thrown) {
          log.event('warn', 'service.stop_failed', { message: asPilotError(thrown).message });
        }
      }
    },
  };
}
