/** Who decides how much of a stream is on the way (docs/decisions/0024). The first is the default. */
export const CONGESTION_CONTROLLERS = ['tolerant', 'bbr', 'cubic'] as const;

/**
 * `tolerant`: CUBIC that takes loss without a queue for noise. `bbr`: a model of the path's rate and round trip.
 * `cubic`: RFC 9438 as it is.
 */
export type CongestionKind = (typeof CONGESTION_CONTROLLERS)[number];
