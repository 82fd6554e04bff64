"""Pooling cases. Maximum: padding is minus infinity and the first maximum of a window takes the gradient.

Average: padding counts (PyTorch's default, count_include_pad), cells beyond the padding that `ceil` reaches do not.
"""

import torch.nn.functional as F

from cases import case, next_draws

# name, input, kernel, and what differs from stride = kernel, pad 0, ceil off. "sides" is padding PyTorch's pools
# do not have ([top, bottom, left, right]): the map is padded first, with minus infinity or zeros.
SHARED = [
    ("two", (2, 3, 6, 4), (2, 2), {}),
    ("two-drops-row-and-column", (1, 2, 7, 5), (2, 2), {}),
    ("batch-seven", (7, 1, 4, 4), (2, 2), {}),
    ("three-stride-two", (1, 2, 7, 9), (3, 3), {"stride": (2, 2)}),
    ("three-stride-two-drops-pixels", (2, 1, 8, 6), (3, 3), {"stride": (2, 2)}),
    ("three-stride-two-pad-one", (1, 2, 7, 6), (3, 3), {"stride": (2, 2), "pad": (1, 1)}),
    ("three-stride-one-pad-one", (1, 2, 5, 6), (3, 3), {"stride": (1, 1), "pad": (1, 1)}),
    ("stride-larger-than-window", (1, 2, 8, 9), (2, 2), {"stride": (3, 4)}),
    ("window-by-axis", (1, 3, 6, 7), (3, 2), {"stride": (1, 2), "pad": (1, 0)}),
    ("row-window", (2, 2, 3, 8), (1, 3), {"stride": (1, 2)}),
    ("two-ceil", (1, 2, 5, 7), (2, 2), {"ceil": True}),
    ("three-stride-two-ceil", (1, 2, 6, 8), (3, 3), {"stride": (2, 2), "ceil": True}),
    ("three-stride-two-pad-one-ceil", (1, 2, 6, 7), (3, 3), {"stride": (2, 2), "pad": (1, 1), "ceil": True}),
    ("ceil-window-starts-in-padding", (1, 1, 5, 5), (2, 2), {"stride": (3, 3), "pad": (1, 1), "ceil": True}),
    ("ceil-changes-nothing", (1, 2, 6, 6), (2, 2), {"ceil": True}),
    ("four-stride-three-pad-two", (1, 2, 7, 8), (4, 4), {"stride": (3, 3), "pad": (2, 2)}),
    ("one-by-one", (1, 2, 3, 4), (1, 1), {}),
    ("one-by-one-stride-two", (1, 2, 5, 4), (1, 1), {"stride": (2, 2)}),
    ("one-pixel", (7, 3, 1, 1), (1, 1), {}),
    ("global", (2, 3, 5, 4), (5, 4), {}),
    ("global-one-pixel", (1, 4, 1, 1), (1, 1), {}),
    ("pad-at-the-end-only", (1, 2, 5, 5), (2, 2), {"stride": (1, 1), "sides": (0, 1, 0, 1)}),
]
TIED = [
    ("tied-two", (2, 2, 6, 6), (2, 2), {}),
    ("tied-overlapping", (1, 2, 7, 7), (3, 3), {"stride": (2, 2), "pad": (1, 1)}),
    ("tied-stride-one", (1, 2, 5, 6), (3, 3), {"stride": (1, 1), "pad": (1, 1)}),
    ("tied-ceil", (1, 1, 6, 7), (3, 3), {"stride": (2, 2), "ceil": True}),
    ("tied-global", (2, 2, 4, 3), (4, 3), {}),
]


def pool(operator, draw, name, shape, kernel, options):
    draws = next_draws()
    stride = options.get("stride", kernel)
    pad = options.get("pad", (0, 0))
    sides = options.get("sides", (pad[0], pad[0], pad[1], pad[1]))
    ceil = options.get("ceil", False)

    def run(x):
        maximum = operator == "max_pool2d"
        if "sides" in options:
            top, bottom, left, right = sides
            x = F.pad(x, (left, right, top, bottom), value=float("-inf") if maximum else 0.0)
        if maximum:
            return F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil)
        return F.avg_pool2d(x, kernel, stride, pad, ceil_mode=ceil, count_include_pad=True)

    attributes = {"kernel": list(kernel), "stride": list(stride), "padding": list(sides), "ceil": ceil}
    return case(operator, name, attributes, {"x": draw(draws)(*shape)}, run, draws)


def pool_cases():
    cases = [pool("max_pool2d", lambda d: d.distinct, *row) for row in SHARED]
    cases += [pool("max_pool2d", lambda d: d.tied, *row) for row in TIED]
    # A map of one value only: every window is one tie; and one below zero, where padding must not win.
    cases.append(pool("max_pool2d", lambda d: lambda *s: d.values(*s) * 0.0, "tied-all-zero", (1, 1, 5, 5), (3, 3),
                      {"stride": (2, 2), "pad": (1, 1)}))
    cases.append(pool("max_pool2d", lambda d: lambda *s: -d.positive(*s), "all-negative-padded", (1, 2, 5, 5), (3, 3),
                      {"stride": (2, 2), "pad": (1, 1)}))
    return cases + [pool("avg_pool2d", lambda d: d.values, *row) for row in SHARED]
