"""Cases of the layers that choose, reorder, weigh or normalise channels, and of mixed pooling.

A row is: operator, name, attributes, shape of x, shapes of the parameters, function of x and the parameters.
"""

import torch
import torch.nn.functional as F

from cases import case
from hashing import Draws

SHAPES = [(2, 5, 4, 3), (7, 3, 1, 1), (1, 1, 5, 7), (7, 6)]


def label(shape):
    return "x".join(map(str, shape))


def spread(vector, x):
    """A vector of one value a channel, to broadcast over [N, C, ...]."""
    return vector.reshape([1, -1] + [1] * (x.dim() - 2))


def scales():
    for shape in SHAPES:
        for factor in (0.125, -1.5, 0.0):
            yield ("scale", f"{label(shape)}-by-{factor}", {"factor": factor, "learn": False}, shape, {},
                   lambda x, factor=factor: x * factor)
        yield ("scale", f"{label(shape)}-learned", {"factor": 1.0, "learn": True}, shape, {"weight": (shape[1],)},
               lambda x, weight: x * spread(weight, x))


def slices():
    for shape, first, count in [((2, 5, 4, 3), 1, 3), ((7, 3, 1, 1), 2, 1), ((1, 4, 3, 3), 0, 4), ((7, 6), 0, 2)]:
        yield ("slice", f"{label(shape)}-from-{first}", {"first": first, "count": count}, shape, {},
               lambda x, first=first, count=count: x[:, first:first + count])


def affine(scale, shift, channels):
    """Shapes of the parameters, and what they do."""
    shapes = {**({"weight": (channels,)} if scale else {}), **({"bias": (channels,)} if shift else {})}

    def apply(x, weight=None, bias=None):
        x = x if weight is None else x * spread(weight, x)
        return x if bias is None else x + spread(bias, x)

    return shapes, apply


def norms():
    for shape, scale, shift, epsilon in [
        ((2, 5, 4, 3), True, True, 1e-5), ((1, 8, 3, 3), True, True, 1e-6), ((7, 6), True, True, 1e-5),
        ((2, 3, 1, 1), True, False, 1e-5), ((1, 4, 2, 5), False, True, 1e-2), ((2, 7, 2, 2), False, False, 1e-5),
    ]:
        shapes, apply = affine(scale, shift, shape[1])
        attributes = {"epsilon": epsilon, "scale": scale, "shift": shift}

        def run(x, channels=shape[1], epsilon=epsilon, apply=apply, **parameters):
            last = x.movedim(1, -1)
            return apply(F.layer_norm(last, (channels,), eps=epsilon).movedim(-1, 1), **parameters)

        yield "layer_norm", f"{label(shape)}-{scale}-{shift}", attributes, shape, shapes, run
    for shape, groups, scale, shift, epsilon in [
        ((2, 6, 4, 3), 3, True, True, 1e-5), ((1, 8, 3, 3), 8, True, True, 1e-5), ((3, 4, 2, 5), 1, True, True, 1e-6),
        ((7, 6), 2, True, True, 1e-5), ((2, 4, 1, 1), 2, True, False, 1e-5), ((1, 4, 3, 3), 2, False, True, 1e-2),
        ((2, 6, 2, 2), 2, False, False, 1e-5),
    ]:
        shapes, apply = affine(scale, shift, shape[1])
        attributes = {"groups": groups, "epsilon": epsilon, "scale": scale, "shift": shift}

        def run(x, groups=groups, epsilon=epsilon, apply=apply, **parameters):
            return apply(F.group_norm(x, groups, eps=epsilon), **parameters)

        yield "group_norm", f"{label(shape)}-{groups}-{scale}-{shift}", attributes, shape, shapes, run
    for shape, size, alpha, beta, k in [
        ((2, 7, 3, 4), 5, 1e-4, 0.75, 1.0), ((1, 6, 5, 3), 5, 0.5, 0.75, 2.0), ((7, 4, 1, 1), 2, 1.0, 0.5, 1.0),
        ((2, 3, 2, 2), 9, 0.25, 1.0, 1.0), ((1, 1, 3, 3), 1, 1.0, 0.75, 1.0), ((1, 5, 2, 3), 4, 2.0, 2.0, 0.5),
    ]:
        attributes = {"size": size, "alpha": alpha, "beta": beta, "k": k}
        yield ("local_response_norm", f"{label(shape)}-{size}-{beta}", attributes, shape, {},
               lambda x, size=size, alpha=alpha, beta=beta, k=k: F.local_response_norm(x, size, alpha, beta, k))


def gates():
    for shape in SHAPES:
        yield "softmax", label(shape), {}, shape, {}, lambda x: F.softmax(x, 1)
        for shared in (True, False):
            yield ("prelu", f"{label(shape)}-{'shared' if shared else 'each'}", {"slope": 0.25, "shared": shared}, shape,
                   {"weight": (1 if shared else shape[1],)}, F.prelu)
    for shape in SHAPES[:2]:
        yield "drop_path", label(shape), {"probability": 0.5, "training": False}, shape, {}, lambda x: x * 1
    yield "softmax", "far-from-zero", {}, (2, 4, 2, 1), {}, lambda x: F.softmax(x, 1)


def mixed():
    for name, shape, kernel, stride, pad, ceil, learn in [
        ("two", (2, 3, 6, 4), (2, 2), (2, 2), (0, 0), False, False),
        ("three-stride-two-pad-one", (1, 2, 7, 6), (3, 3), (2, 2), (1, 1), False, False),
        ("two-ceil-learned", (1, 2, 5, 7), (2, 2), (2, 2), (0, 0), True, True),
        ("global-learned", (2, 3, 3, 4), (3, 4), (3, 4), (0, 0), False, True),
        ("by-axis-learned", (7, 1, 6, 5), (3, 2), (1, 2), (1, 0), False, True),
    ]:
        attributes = {"kernel": list(kernel), "stride": list(stride), "padding": [pad[0], pad[0], pad[1], pad[1]],
                      "ceil": ceil, "share": 0.25, "learn": learn}

        def run(x, weight=torch.tensor([0.25]), kernel=kernel, stride=stride, pad=pad, ceil=ceil):
            largest = F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil)
            return weight * largest + (1 - weight) * F.avg_pool2d(x, kernel, stride, pad, ceil_mode=ceil)

        yield "mixed_pool2d", name, attributes, shape, {"weight": (1,)} if learn else {}, run


# Streams of their own for each family, far from those of the others: a new one changes no older one.
FAMILIES = [(20_000, scales), (20_100, slices), (20_200, norms), (20_300, gates), (20_400, mixed)]


def channel_cases():
    cases = []
    for first, rows in FAMILIES:
        for i, (operator, name, attributes, shape, parameters, run) in enumerate(rows()):
            draws = Draws(first + i)
            size = 100.0 if name == "far-from-zero" else 1.0
            x = draws.distinct(*shape) if operator == "mixed_pool2d" else draws.values(*shape, scale=size)
            inputs = {"x": x}
            inputs.update({key: draws.values(*of) for key, of in parameters.items()})
            cases.append(case(operator, name, attributes, inputs, run, draws))
    return cases
