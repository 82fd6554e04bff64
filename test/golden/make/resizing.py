"""Cases of the layers that give maps another size, or their channels another order.

A row is: operator, name, attributes, shape of x, shape of the weight (if any), function of x and the weight.
"""

import torch
import torch.nn.functional as F

from cases import case
from hashing import Draws

TORCH_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}


def padded(x, sides, mode):
    top, bottom, left, right = sides
    return F.pad(x, (left, right, top, bottom), mode=TORCH_MODES[mode])


def pads():
    for mode in TORCH_MODES:
        for name, shape, sides in [
            ("one", (2, 3, 4, 5), [1, 1, 1, 1]), ("three-by-two", (1, 2, 4, 3), [3, 3, 2, 2]),
            ("none-by-one", (7, 1, 3, 2), [0, 0, 1, 1]), ("odd", (1, 2, 5, 3), [2, 0, 1, 2]),
        ]:
            attributes = {"padding": sides, "mode": mode}
            yield "pad", f"{mode}-{name}", attributes, shape, None, lambda x, s=sides, m=mode: padded(x, s, m)
    for mode in ("zeros", "replicate"):
        yield ("pad", f"{mode}-one-pixel", {"padding": [2, 2, 1, 1], "mode": mode}, (2, 3, 1, 1), None,
               lambda x, m=mode: padded(x, [2, 2, 1, 1], m))


def convolutions():
    for mode in ("reflect", "replicate"):
        for name, shape, weight, stride, pad, groups in [
            ("pad-one", (2, 2, 5, 4), (3, 2, 3, 3), (1, 1), (1, 1), 1),
            ("stride-two-pad-two-by-one", (1, 3, 6, 5), (2, 3, 5, 3), (2, 2), (2, 1), 1),
            ("depthwise", (1, 3, 4, 4), (3, 1, 3, 3), (1, 1), (1, 1), 3),
        ]:
            sides = [pad[0], pad[0], pad[1], pad[1]]
            attributes = {"kernel": list(weight[2:]), "stride": list(stride), "padding": sides, "dilation": [1, 1],
                          "groups": groups, "bias": False, "same": False, "mode": mode}

            def run(x, weight, sides=sides, mode=mode, stride=stride, groups=groups):
                return F.conv2d(padded(x, sides, mode), weight, None, stride, 0, 1, groups)

            yield "conv2d", f"{mode}-{name}", attributes, shape, weight, run


def enlargements():
    for mode in ("nearest", "bilinear"):
        for shape, factor in [
            ((2, 3, 3, 4), (2, 2)), ((1, 2, 4, 3), (3, 3)), ((7, 1, 1, 1), (2, 3)), ((1, 1, 2, 5), (1, 4)),
            ((1, 2, 3, 2), (4, 1)), ((1, 1, 2, 2), (5, 6)),
        ]:
            name = f"{mode}-{'x'.join(map(str, shape[2:]))}-by-{factor[0]}x{factor[1]}"
            yield ("upsample", name, {"factor": list(factor), "mode": mode}, shape, None,
                   lambda x, f=factor, m=mode: F.interpolate(x, scale_factor=tuple(map(float, f)), mode=m))


def adaptive():
    for shape, output in [
        ((2, 3, 8, 6), (4, 3)), ((1, 2, 7, 5), (3, 2)), ((1, 2, 13, 13), (6, 6)), ((7, 2, 3, 2), (1, 1)),
        ((1, 1, 2, 3), (4, 7)), ((2, 1, 5, 10), (5, 4)), ((1, 3, 1, 1), (2, 3)),
    ]:
        most = lambda n, m: max(-(-(j + 1) * n // m) - j * n // m for j in range(m))
        attributes = {"output": list(output), "window": [most(n, m) for n, m in zip(shape[2:], output)],
                      "stride": [n / m for n, m in zip(shape[2:], output)]}
        name = f"{'x'.join(map(str, shape[2:]))}-to-{output[0]}x{output[1]}"
        yield ("adaptive_avg_pool2d", name, attributes, shape, None, lambda x, o=output: F.adaptive_avg_pool2d(x, o))


def shuffles():
    for shape, groups in [((2, 6, 3, 2), 3), ((1, 8, 2, 2), 2), ((7, 4, 1, 1), 4), ((1, 5, 2, 3), 1), ((3, 6), 2)]:

        def run(x, groups=groups):
            # torch.nn.functional.channel_shuffle has no derivative in every version; its values are the same.
            maps = x.reshape(*x.shape, 1, 1) if x.dim() == 2 else x
            n, channels, height, width = maps.shape
            result = maps.reshape(n, groups, channels // groups, height, width).transpose(1, 2).reshape(maps.shape)
            assert torch.equal(result.detach(), F.channel_shuffle(maps.detach(), groups))
            return result.reshape(x.shape)

        yield "channel_shuffle", f"{'x'.join(map(str, shape))}-{groups}", {"groups": groups}, shape, None, run


# Streams of their own for each family, far from those of the others.
FAMILIES = [(30_000, pads), (30_100, convolutions), (30_200, enlargements), (30_300, adaptive), (30_400, shuffles)]


def resizing_cases():
    cases = []
    for first, rows in FAMILIES:
        for i, (operator, name, attributes, shape, weight, run) in enumerate(rows()):
            draws = Draws(first + i)
            inputs = {"x": draws.values(*shape)}
            if weight is not None:
                inputs["weight"] = draws.values(*weight)
            cases.append(case(operator, name, attributes, inputs, run, draws))
    return cases
