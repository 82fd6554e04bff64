"""Convolution cases: `attributes.padding` is [top, bottom, left, right] in zeros, `kernel`, `stride`, `dilation` are [y, x]."""

import torch.nn.functional as F

from cases import case, next_draws

# name, input [N, C, H, W], output channels, kernel, and what differs from stride 1, pad 0, dilation 1, groups 1, bias on.
TABLE = [
    ("lenet-first-corner", (2, 3, 8, 8), 4, (5, 5), {}),
    ("one-by-one", (2, 3, 4, 5), 4, (1, 1), {}),
    ("one-by-one-no-bias", (1, 5, 3, 3), 2, (1, 1), {"bias": False}),
    ("one-pixel-map", (7, 4, 1, 1), 3, (1, 1), {}),
    ("one-channel", (1, 1, 6, 6), 1, (3, 3), {}),
    ("batch-seven", (7, 2, 4, 4), 3, (3, 3), {}),
    ("window-as-large-as-map", (3, 2, 4, 5), 5, (4, 5), {}),
    ("odd-sizes", (1, 3, 7, 9), 2, (3, 3), {}),
    ("pad-one", (2, 2, 5, 6), 3, (3, 3), {"pad": (1, 1)}),
    ("pad-two-by-one", (1, 2, 5, 5), 2, (5, 3), {"pad": (2, 1)}),
    ("pad-larger-than-window", (1, 1, 3, 3), 2, (2, 2), {"pad": (3, 2)}),
    ("pad-on-one-pixel", (2, 3, 1, 1), 2, (3, 3), {"pad": (1, 1)}),
    ("same-three", (2, 3, 5, 4), 2, (3, 3), {"pad": "same"}),
    ("same-two", (1, 2, 5, 6), 3, (2, 2), {"pad": "same"}),
    ("same-four-by-two-no-bias", (2, 2, 5, 7), 2, (4, 2), {"pad": "same", "bias": False}),
    ("same-even-dilated", (1, 2, 7, 6), 2, (2, 4), {"pad": "same", "dilation": (3, 1)}),
    ("same-larger-than-map", (1, 2, 3, 2), 2, (5, 5), {"pad": "same"}),
    ("stride-two", (2, 2, 7, 7), 3, (3, 3), {"stride": (2, 2)}),
    ("stride-two-drops-pixels", (1, 2, 8, 6), 3, (3, 3), {"stride": (2, 2)}),
    ("stride-two-pad-one", (1, 3, 8, 7), 2, (3, 3), {"stride": (2, 2), "pad": (1, 1)}),
    ("stride-three-drops-two", (2, 1, 10, 9), 2, (2, 2), {"stride": (3, 3)}),
    ("stride-larger-than-window", (1, 2, 9, 11), 2, (1, 2), {"stride": (3, 4)}),
    ("stride-two-one-by-one-no-bias", (2, 4, 6, 5), 3, (1, 1), {"stride": (2, 2), "bias": False}),
    ("stride-by-axis", (1, 2, 9, 8), 2, (3, 2), {"stride": (3, 1), "pad": (1, 0)}),
    ("row-kernel", (2, 2, 4, 7), 2, (1, 5), {"pad": (0, 2)}),
    ("column-kernel", (2, 2, 7, 3), 2, (5, 1), {"stride": (2, 1)}),
    ("dilation-two", (1, 2, 7, 8), 2, (3, 3), {"dilation": (2, 2)}),
    ("dilation-two-pad-two", (1, 2, 5, 6), 2, (3, 3), {"dilation": (2, 2), "pad": (2, 2)}),
    ("dilation-by-axis-stride-two", (1, 2, 9, 10), 2, (2, 3), {"dilation": (1, 3), "stride": (2, 2), "pad": (1, 1)}),
    ("groups-two", (2, 4, 5, 5), 6, (3, 3), {"groups": 2}),
    ("groups-three-stride-two-no-bias", (1, 6, 6, 5), 3, (3, 2), {"groups": 3, "stride": (2, 2), "bias": False}),
    ("groups-one-channel-out-each", (7, 4, 3, 3), 2, (2, 2), {"groups": 2}),
    ("depthwise", (2, 4, 5, 6), 4, (3, 3), {"groups": 4, "pad": (1, 1)}),
    ("depthwise-stride-two-no-bias", (1, 5, 7, 6), 5, (3, 3), {"groups": 5, "stride": (2, 2), "pad": (1, 1), "bias": False}),
    ("depthwise-multiplier-two", (1, 3, 6, 5), 6, (3, 3), {"groups": 3}),
    ("depthwise-same-even-dilated", (1, 3, 5, 7), 3, (2, 2), {"groups": 3, "dilation": (1, 2), "pad": "same"}),
    ("groups-dilation-stride", (1, 4, 9, 9), 4, (3, 3), {"groups": 2, "dilation": (2, 2), "stride": (2, 2), "pad": (2, 1)}),
    ("many-channels", (1, 17, 3, 3), 9, (2, 2), {}),
]


def same_padding(kernel, dilation):
    """As torch.nn.functional.conv2d(padding="same"): where the total is odd, the end gets one more."""
    sides = []
    for k, d in zip(kernel, dilation):
        total = d * (k - 1)
        sides += [total // 2, total - total // 2]
    return sides


def convolution(name, shape, out_channels, kernel, options):
    draws = next_draws()
    stride = options.get("stride", (1, 1))
    dilation = options.get("dilation", (1, 1))
    groups = options.get("groups", 1)
    bias = options.get("bias", True)
    pad = options.get("pad", (0, 0))
    same = pad == "same"
    sides = same_padding(kernel, dilation) if same else [pad[0], pad[0], pad[1], pad[1]]
    inputs = {"x": draws.values(*shape), "weight": draws.values(out_channels, shape[1] // groups, *kernel)}
    if bias:
        inputs["bias"] = draws.values(out_channels)

    def run(x, weight, bias=None):
        return F.conv2d(x, weight, bias, stride, pad, dilation, groups)

    attributes = {
        "kernel": list(kernel),
        "stride": list(stride),
        "padding": sides,
        "dilation": list(dilation),
        "groups": groups,
        "bias": bias,
        "same": same,
    }
    return case("conv2d", name, attributes, inputs, run, draws)


def convolution_cases():
    return [convolution(*row) for row in TABLE]
