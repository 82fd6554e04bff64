/**
 * Giving way: whatever waits (events, files being read, a device at work) has its turn.
 *
 * In: nothing. Out: a promise that resolves in a later turn of the event loop. What holds: it takes microseconds, in Node.js
 * and in browsers alike; timers would wait for four milliseconds there.
 */
export const nextTurn: () => Promise<void> =
  typeof setImmediate === "function" ? () => new Promise((resolve) => void setImmediate(resolve)) : turnsByMessages();

/** What is used of a browser's MessagePort (TypeScript has it only with all of the DOM). */
interface Port {
  onmessage: () => void;
  postMessage(message: undefined): void;
}

/** A browser has no `setImmediate`: a message to oneself arrives after what waited before it. */
function turnsByMessages(): () => Promise<void> {
  const waiting: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel() as unknown as Record<"port1" | "port2", Port>;
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(undefined);
    });
}
