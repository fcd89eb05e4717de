// biome-ignore lint/suspicious/noEmptyInterface: filled by the network commands
export interface NetworkMethods {}
