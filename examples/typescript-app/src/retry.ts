// Trying again, later and later, while the server is away.

import { setTimeout as sleep } from "node:timers/promises";

import { log } from "./log.js";

const FIRST_MS = 250;
const MAX_MS = 10_000;

/** Whether the server said no, as opposed to not being there, sealed, or overloaded. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && status < 500 && status !== 429;
}

/** Runs `attempt` until it succeeds, is refused, or `signal` is aborted or `deadline` (epoch ms) has passed. */
export async function retry<T>(
  what: string,
  attempt: () => Promise<T>,
  signal: AbortSignal,
  deadline = Infinity,
): Promise<T> {
  for (let wait = FIRST_MS; ; wait = Math.min(wait * 2, MAX_MS)) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (isRefusal(error) || Date.now() + wait > deadline) throw error;
      // Not all clients of a server that comes back should come at once.
      const jittered = Math.round(wait * (0.5 + Math.random() / 2));
      log("waiting", { for: what, ms: jittered, reason: reason(error) });
      await sleep(jittered, undefined, { signal });
    }
  }
}

/** An error in words that hold no secret. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The HTTP status that the server answered with, if it answered. */
export function statusOf(error: unknown): number | undefined {
  const response = (error as { response?: { statusCode?: unknown } } | undefined)?.response;
  return typeof response?.statusCode === "number" ? response.statusCode : undefined;
}
