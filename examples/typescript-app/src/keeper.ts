// Keeps something that is leased: a token, a database credential. Both live for a while, may be renewed, and are
// replaced when they cannot be.

import { setTimeout as sleep } from "node:timers/promises";

import { log } from "./log.js";
import { isRefusal, reason, retry } from "./retry.js";

export interface Leased {
  /** Seconds that it lives from now. */
  readonly ttl: number;
  readonly renewable: boolean;
}

export interface Source<T extends Leased> {
  readonly name: string;
  acquire(): Promise<T>;
  renew(held: T): Promise<Leased>;
  /** What may be told of it: no secret. */
  describe(held: T): Record<string, unknown>;
}

/** At this share of its life a lease is renewed. */
const RENEW_AT = 0.6;
/** A renewal that gives less than this share of the first time to live means that the maximum is near. */
const WORTH_RENEWING = 0.5;

export class Keeper<T extends Leased> {
  #held: T | undefined;
  #dropped = new AbortController();
  readonly #waiting: Array<(held: T) => void> = [];

  constructor(
    private readonly source: Source<T>,
    private readonly signal: AbortSignal,
    private readonly replaced: (held: T) => void = () => {},
  ) {}

  /** What is held now; waits if nothing is. */
  current(): Promise<T> {
    if (this.#held) return Promise.resolve(this.#held);
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      this.signal.addEventListener("abort", () => reject(this.signal.reason), { once: true });
    });
  }

  /** Drops what is held, because it is known not to work any more, and gets another. */
  drop(): void {
    this.#held = undefined;
    this.#dropped.abort();
  }

  /** Acquires, renews and replaces until the signal is aborted. Fails if acquiring is refused. */
  async run(): Promise<void> {
    while (!this.signal.aborted) {
      const held = await retry(this.source.name, () => this.source.acquire(), this.signal);
      log(`${this.source.name} acquired`, { ttl: held.ttl, ...this.source.describe(held) });
      this.#dropped = new AbortController();
      this.#held = held;
      this.replaced(held);
      for (const resolve of this.#waiting.splice(0)) resolve(held);
      await this.#keep(held, AbortSignal.any([this.signal, this.#dropped.signal]));
    }
  }

  /** Returns when `held` should be replaced. */
  async #keep(held: T, until: AbortSignal): Promise<void> {
    for (let lease: Leased = held; !until.aborted; ) {
      const received = Date.now();
      await sleep(lease.ttl * 1000 * RENEW_AT, undefined, { signal: until }).catch(() => {});
      if (until.aborted || !lease.renewable) return;
      try {
        const deadline = received + lease.ttl * 1000;
        lease = await retry(`${this.source.name} renewal`, () => this.source.renew(held), until, deadline);
      } catch (error) {
        if (!until.aborted) log(`${this.source.name} lost`, { refused: isRefusal(error), reason: reason(error) });
        return;
      }
      log(`${this.source.name} renewed`, { ttl: lease.ttl });
      if (lease.ttl < held.ttl * WORTH_RENEWING) return;
    }
  }
}
