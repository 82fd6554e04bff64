"""Writes every golden value: `/usr/bin/python3 test/golden/make/main.py` (needs PyTorch, see ../README.md).

In: names of files, `main.py networks.jsonl`, where not all are wanted. Out: operators.jsonl, optimizers.jsonl, training.jsonl,
networks.jsonl and manifest.json beside this folder. What holds: no draw depends on the clock or on a library's generator, so
a second run writes the same bytes on the same machine.
"""

import hashlib
import json
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy
import torch
import torchvision

sys.dont_write_bytecode = True

from channels import channel_cases
from convolutions import convolution_cases
from layers import activation_cases, linear_cases, loss_cases, normalisation_cases, shape_cases
from merges import merge_cases
from optimizers import optimizer_cases
from pools import pool_cases
from resizing import resizing_cases
from training import training_cases
from writing import write_lines
from zoo import network_cases

FOLDER = Path(__file__).resolve().parent.parent


def operator_cases():
    return (
        convolution_cases() + pool_cases() + normalisation_cases() + linear_cases() + shape_cases()
        + activation_cases() + loss_cases() + merge_cases() + channel_cases() + resizing_cases()
    )


FILES = {
    "operators.jsonl": operator_cases,
    "optimizers.jsonl": optimizer_cases,
    "training.jsonl": training_cases,
    "networks.jsonl": network_cases,
}


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
    torch.use_deterministic_algorithms(True)
    known = FOLDER / "manifest.json"
    manifest = json.loads(known.read_text()) if known.exists() else {"files": {}}
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": numpy.__version__}
    manifest = {**versions, **manifest, **versions}
    for name in sys.argv[1:] or FILES:
        cases = FILES[name]()
        path = FOLDER / name
        write_lines(path, cases)
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        manifest["files"][name] = {"cases": len(cases), "bytes": len(content), "sha256": sha256}
        print(f"{name}: {len(cases)} cases, {len(content)} bytes")
        if name == "operators.jsonl":
            manifest["operators"] = dict(sorted(Counter(case["operator"] for case in cases).items()))
    known.write_text(json.dumps(manifest, indent=2) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
