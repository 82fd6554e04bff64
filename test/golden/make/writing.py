"""How values become text: float64 or float32 with nine significant digits, which gives every float32 back exactly.

In: arrays and plain values. Out: JSON lines, one case a line. What holds: every number is finite.
"""

import json
import math

import numpy as np


def number(value, exact=False):
    """Nine significant digits; with `exact`, as many as it takes."""
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"a golden value must be finite, not {value}")
    text = f"{value:.9g}"
    return text if not exact or float(text) == value else repr(value)


def tensor(array, exact=False):
    """`{"shape": [...], "data": [...]}`, row-major."""
    array = np.asarray(array)
    return Raw(
        '{"shape":%s,"data":[%s]}'
        % (
            json.dumps(list(array.shape), separators=(",", ":")),
            ",".join(number(v, exact) for v in array.reshape(-1)),
        )
    )


def numbers(values, exact=False):
    return Raw("[" + ",".join(number(v, exact) for v in values) + "]")


class Raw(str):
    """Text that is JSON already."""


def encode(value):
    """JSON without spaces; `Raw` goes in as it is, a float in full precision."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + encode(v) for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(encode(v) for v in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a golden value must be finite")
    return json.dumps(value)


def write_lines(path, cases):
    with open(path, "w", encoding="ascii", newline="\n") as file:
        for case in cases:
            file.write(encode(case) + "\n")
