/**
 * Waiting for a device without taking a core from it.
 *
 * Dawn settles its promises by polling in every turn of Node's event loop, as fast as that turns: a core is busy while
 * anything is awaited, which a software adapter needs for its own work (measured on two cores: steps took 1.3 times as long).
 */

/** One turn of the event loop takes at least so long while something is awaited. */
const napMilliseconds = 1;

const neverNotified = new Int32Array(new SharedArrayBuffer(4));

let waiting = 0;

function nap(): void {
  if (waiting === 0) return;
  Atomics.wait(neverNotified, 0, 0, napMilliseconds);
  setImmediate(nap);
}

/** Settles like `work`; meanwhile the event loop turns, but only about a thousand times a second. */
export async function waitQuietly<T>(work: Promise<T>): Promise<T> {
  if (waiting++ === 0) setImmediate(nap);
  try {
    return await work;
  } finally {
    waiting--;
  }
}
