"""Writes PyTorch's own operator samples, with outputs, gradients and error inputs, for replay_test.ts.

    /usr/bin/python3 generate.py FOLDER [NAMES.json]

walks torch.testing._internal.common_methods_invocations.op_db. NAMES.json is a list of operator names ("sum", "norm/fro"); without it
every operator is written. FOLDER gets manifest.json and, per operator, a JSON file and a binary file with the elements of all tensors.
"""

import json
import math
import os
import sys
import types
import unittest
import warnings

# PyTorch's test utilities want `expecttest`, which Debian does not package; op_db uses nothing of it.
stand_in = types.ModuleType("expecttest")
stand_in.ACCEPT = False
stand_in.TestCase = unittest.TestCase
sys.modules.setdefault("expecttest", stand_in)

import numpy  # noqa: E402
import torch  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

warnings.simplefilter("ignore")
torch.set_num_threads(1)

# A sample with more elements than this in one tensor shows nothing that a smaller one does not.
MOST_ELEMENTS = 1 << 16

# How the elements of a torch type are stored; a type that is missing here is written without elements.
STORED = {
    torch.float16: numpy.float16,
    torch.float32: numpy.float32,
    torch.float64: numpy.float64,
    torch.int32: numpy.int32,
    torch.int64: numpy.int32,
    torch.bool: numpy.uint8,
}


class TooLarge(Exception):
    """A sample that is left out for its size."""


class Writer:
    """One operator's binary file."""

    def __init__(self):
        self.chunks = []
        self.bytes = 0

    def tensor(self, value):
        """The description of a tensor; its elements go to the binary file, each tensor at a multiple of 8 bytes."""
        value = value.detach().resolve_neg()
        if value.numel() > MOST_ELEMENTS:
            raise TooLarge
        described = {"dtype": str(value.dtype)[len("torch."):], "shape": list(value.shape)}
        stored = STORED.get(value.dtype)
        if stored is None or value.layout != torch.strided or value.device.type != "cpu":
            return described
        if value.dtype == torch.int64 and value.numel() > 0 and (value.abs().max() > 2**31 - 1 or value.min() < -(2**31)):
            return described
        raw = numpy.ascontiguousarray(value.reshape(-1).numpy().astype(stored)).tobytes()
        described["at"] = self.bytes
        padded = raw + bytes(-len(raw) % 8)
        self.chunks.append(padded)
        self.bytes += len(padded)
        return described


class Arguments:
    """The tensors of one call, each once, and the arguments that refer to them by position."""

    def __init__(self, writer):
        self.writer = writer
        self.tensors = []
        self.described = []

    def encode(self, value):
        if isinstance(value, torch.Tensor):
            return {"tensor": self.position(value)}
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, (int, numpy.integer)):
            return int(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else {"number": str(value)}
        if isinstance(value, (list, tuple)):
            return [self.encode(inner) for inner in value]
        if isinstance(value, slice):
            return {"slice": [value.start, value.stop, value.step]}
        if value is Ellipsis:
            return {"ellipsis": True}
        if isinstance(value, torch.dtype):
            return {"dtype": str(value)[len("torch."):]}
        return {"other": str(type(value).__name__)}

    def position(self, value):
        for position, known in enumerate(self.tensors):
            if known is value:
                return position
        described = self.writer.tensor(value)
        if value.requires_grad:
            described["requiresGrad"] = True
        self.tensors.append(value)
        self.described.append(described)
        return len(self.tensors) - 1


def fresh(value, made):
    """The same arguments with every tensor that requires a gradient as a leaf; samplers also give views that were written to."""
    if isinstance(value, torch.Tensor):
        if not value.requires_grad:
            return value
        return made.setdefault(id(value), value.detach().requires_grad_())
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return type(value)(fresh(part, made) for part in value)
    return value


def outputs_of(result):
    """The tensors in a result, in order."""
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, (list, tuple)):
        return [tensor for part in result for tensor in outputs_of(part)]
    return []


def call_of(sample, writer):
    arguments = Arguments(writer)
    args = arguments.encode([sample.input, *sample.args])
    kwargs = {name: arguments.encode(value) for name, value in sample.kwargs.items()}
    return arguments, {"args": args, "kwargs": kwargs, "tensors": arguments.described}


def write_sample(op, sample, writer, generator):
    made = {}
    sample.input = fresh(sample.input, made)
    sample.args = tuple(fresh(value, made) for value in sample.args)
    sample.kwargs = {name: fresh(value, made) for name, value in sample.kwargs.items()}
    arguments, record = call_of(sample, writer)
    outputs = outputs_of(op(sample.input, *sample.args, **sample.kwargs))
    if not outputs:
        return None
    record["outputs"] = [writer.tensor(output) for output in outputs]
    flowing = [output for output in outputs if output.requires_grad and output.dtype == torch.float32]
    leaves = [tensor for tensor in arguments.tensors if tensor.requires_grad and tensor.dtype == torch.float32]
    if op.supports_autograd and flowing and leaves and all(output.layout == torch.strided for output in flowing):
        cotangents = [torch.randn(output.shape, generator=generator) for output in flowing]
        try:
            found = torch.autograd.grad(flowing, leaves, cotangents, allow_unused=True)
        except (RuntimeError, NotImplementedError):
            return record
        record["cotangents"] = [
            writer.tensor(cotangents[[other is output for other in flowing].index(True)]) if any(other is output for other in flowing) else None
            for output in outputs
        ]
        gradients = iter(found)
        record["gradients"] = []
        for tensor in arguments.tensors:
            wanted = any(leaf is tensor for leaf in leaves)
            gradient = next(gradients) if wanted else None
            record["gradients"].append(None if gradient is None else writer.tensor(gradient))
    return record


def write_error(op, error, writer):
    """An input that must raise, written only if it does."""
    sample = error.sample_input
    try:
        op(sample.input, *sample.args, **sample.kwargs)
    except Exception as raised:  # noqa: BLE001 - whatever PyTorch raises
        try:
            _, record = call_of(sample, writer)
        except TooLarge:
            return None
        record["message"] = str(raised).strip().split("\n")[0][:200]
        return record
    return None


def samples_of(op):
    """All samples: the sampler's own and, where they are more, the reference tests' (which begin with the sampler's)."""
    for source in (op.reference_inputs, op.sample_inputs):
        torch.manual_seed(0)
        numpy.random.seed(0)
        try:
            return list(source("cpu", torch.float32, requires_grad=op.supports_autograd))
        except Exception:  # noqa: BLE001 - some samplers of references fail on builds without optional libraries
            continue
    return []


def write_operator(op, folder, number):
    writer = Writer()
    samples, errors, left_out = [], [], 0
    for position, sample in enumerate(samples_of(op)):
        try:
            record = write_sample(op, sample, writer, torch.Generator().manual_seed(position))
        except TooLarge:
            left_out += 1
        except Exception:  # noqa: BLE001 - a sample that this build cannot run (an optional library is missing)
            left_out += 1
        else:
            if record is not None:
                samples.append(record)
    if op.error_inputs_func is not None:
        torch.manual_seed(0)
        try:
            inputs = list(op.error_inputs("cpu"))
        except Exception:  # noqa: BLE001 - some generators want a build with CUDA
            inputs = []
        errors = [record for record in (write_error(op, error, writer) for error in inputs) if record is not None]
    with open(os.path.join(folder, f"{number}.json"), "w", encoding="utf-8") as file:
        json.dump({"samples": samples, "errors": errors}, file, separators=(",", ":"), allow_nan=False)
    with open(os.path.join(folder, f"{number}.bin"), "wb") as file:
        file.write(b"".join(writer.chunks))
    return {"file": str(number), "samples": len(samples), "errors": len(errors), "leftOut": left_out}


def main(folder, names):
    os.makedirs(folder, exist_ok=True)
    operators = []
    for number, op in enumerate(op_db):
        if torch.float32 not in op.dtypes:
            continue
        name = f"{op.name}/{op.variant_test_name}" if op.variant_test_name else op.name
        entry = {"name": name}
        if names is None or name in names:
            entry.update(write_operator(op, folder, number))
        operators.append(entry)
    with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump({"format": "torch-samples-v1", "torch": torch.__version__, "operators": operators}, file)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    wanted = None
    if len(sys.argv) == 3:
        with open(sys.argv[2], encoding="utf-8") as listed:
            wanted = set(json.load(listed))
    main(sys.argv[1], wanted)
