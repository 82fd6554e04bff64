"""Counter-based draws: the numpy twin of compiler/nest/random.ts, so that no input has to be stored twice.

In: counters (scalars or arrays). Out: unsigned 32-bit words, or values made of them. What holds: the same counters
give the same word here and in TypeScript (test/golden.test.ts compares stored probes).
"""

import numpy as np


def pcg3d(a, b, c):
    """First word of PCG3D (Jarzynski and Olano, JCGT 9(3), 2020); the counters broadcast."""
    with np.errstate(over="ignore"):
        x, y, z = (
            np.asarray(v).astype(np.uint32) * np.uint32(1664525) + np.uint32(1013904223) for v in (a, b, c)
        )
        x = x + y * z
        y = y + z * x
        z = z + x * y
        x, y, z = (v ^ (v >> np.uint32(16)) for v in (x, y, z))
        return x + y * z


def uniform(a, b, c):
    """Uniform in [0, 1), a multiple of 2^-24."""
    return (pcg3d(a, b, c) >> np.uint32(8)) / 16777216.0


class Draws:
    """Test inputs: multiples of 1/64, exact in float32 and in a few decimal digits. One instance a case."""

    def __init__(self, seed):
        self.seed = seed
        self.used = 0

    def _words(self, shape):
        self.used += 1
        return pcg3d(np.arange(int(np.prod(shape))), self.seed, self.used)

    def values(self, *shape, scale=1.0):
        """Uniform over the multiples of `scale`/64 in [-2, 2] * `scale`."""
        return ((self._words(shape) % np.uint32(257)).astype(np.float64) - 128.0).reshape(shape) * (scale / 64.0)

    def distinct(self, *shape):
        """A random order of different multiples of 1/64 around zero: no window has a tie."""
        order = np.argsort(self._words(shape), kind="stable")
        ranks = np.empty(order.size, dtype=np.float64)
        ranks[order] = np.arange(order.size)
        return ((ranks - order.size // 2) / 64.0).reshape(shape)

    def tied(self, *shape, levels=3):
        """Few different values: most windows have a tie."""
        return (self._words(shape) % np.uint32(levels)).astype(np.float64).reshape(shape) - 1.0

    def positive(self, *shape):
        """Multiples of 1/64 in [1/4, 2 + 1/4)."""
        return ((self._words(shape) % np.uint32(128)).astype(np.float64) + 16.0).reshape(shape) / 64.0

    def integers(self, shape, below):
        return (self._words(shape) % np.uint32(below)).astype(np.int64).reshape(shape)
