"""Cases of the layers that merge branches: sums and products (smaller inputs are spread), and channels one after another.

The inputs are x0, x1, … in the order of the branches.
"""

import torch

from cases import case
from hashing import Draws

MAPS = (2, 3, 4, 5)

# name, shapes of the branches
SPREAD = [
    ("two", [MAPS, MAPS]),
    ("three", [MAPS, MAPS, MAPS]),
    ("a-value-each-channel", [MAPS, (2, 3, 1, 1)]),
    ("a-map-for-all-channels", [(2, 1, 4, 5), MAPS]),
    ("row-by-column", [(7, 2, 1, 3), (7, 2, 5, 1)]),
    ("one-pixel-batch-one", [(1, 1, 1, 1), (1, 6, 1, 1)]),
    ("vectors", [(7, 5), (7, 5)]),
]
JOINED = [
    ("two", [(2, 3, 4, 5), (2, 2, 4, 5)]),
    ("three-odd", [(1, 1, 3, 3), (1, 4, 3, 3), (1, 2, 3, 3)]),
    ("one-pixel-batch-seven", [(7, 2, 1, 1), (7, 3, 1, 1)]),
    ("vectors", [(3, 4), (3, 1)]),
]


def total(*branches):
    result = branches[0]
    for branch in branches[1:]:
        result = result + branch
    return result


def product(*branches):
    result = branches[0]
    for branch in branches[1:]:
        result = result * branch
    return result


def joined(*branches):
    return torch.cat(branches, 1)


def merge(operator, run, name, shapes, number):
    draws = Draws(number)
    inputs = {f"x{i}": draws.values(*shape) for i, shape in enumerate(shapes)}
    return case(operator, name, {}, inputs, lambda **held: run(*held.values()), draws)


# Streams of their own, far from those that the other cases count up to: a new family changes no older one.
FIRST_STREAM = 10_000


def merge_cases():
    rows = (
        [("add", total, *row) for row in SPREAD]
        + [("mul", product, *row) for row in SPREAD]
        + [("concat", joined, *row) for row in JOINED]
    )
    return [merge(*row, FIRST_STREAM + i) for i, row in enumerate(rows)]
