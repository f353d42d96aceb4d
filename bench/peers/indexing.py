#!/usr/bin/python3
"""The workloads of bench/indexing.ts in PyTorch on the CPU: python3 bench/peers/indexing.py THREADS [PATTERN]."""

import torch
from pytorch import main, uniform, values


def positions(shape, size, seed):
    count = torch.Size(shape).numel()
    numbers = torch.from_numpy(uniform(count, seed)).double()
    return ((numbers + 1) / 2 * size).floor().clamp(max=size - 1).long().reshape(shape)


def pure(f, at):
    return f, lambda: f().flatten()[at].item()


def embedding():
    table, index = values((50000, 128), 1), positions((65536,), 50000, 2)
    return pure(lambda: table.index_select(0, index), 12345)


def embedding_backward():
    table, index = values((50000, 128), 1).requires_grad_(), positions((65536,), 50000, 2)
    gradient = values((65536, 128), 3)
    return pure(lambda: torch.autograd.grad(torch.nn.functional.embedding(index, table), table, gradient)[0], 12345)


def class_sums():
    x, index = values((65536, 128), 3), positions((65536,), 10, 2)
    return pure(lambda: torch.zeros(10, 128).index_add(0, index, x), 130)


def gather_dim1():
    x, index = values((4096, 1024), 4), positions((4096, 1024), 1024, 5)
    return pure(lambda: x.gather(1, index), 2049)


def scatter_add_dim1():
    x, index = values((4096, 1024), 4), positions((4096, 1024), 1024, 5)
    return pure(lambda: torch.zeros(4096, 1024).scatter_add(1, index, x), 2049)


def unary(shape, f):
    def prepare():
        x = values(shape, 4)
        return pure(lambda: f(x), 7)

    return prepare


WORKLOADS = {
    "embedding": embedding,
    "embedding_backward": embedding_backward,
    "class_sums": class_sums,
    "gather_dim1": gather_dim1,
    "scatter_add_dim1": scatter_add_dim1,
    "cumsum_dim1": unary((4096, 1024), lambda x: x.cumsum(1)),
    "cumsum_dim0": unary((4096, 1024), lambda x: x.cumsum(0)),
    "cumsum_4M": unary((4194304,), lambda x: x.cumsum(0)),
    "cumprod_dim1": unary((4096, 1024), lambda x: x.cumprod(1)),
    "cummax_dim1": unary((4096, 1024), lambda x: x.cummax(1).values),
    "sort_dim1": unary((4096, 1024), lambda x: x.sort(dim=1, stable=True).values),
    "sort_dim0": unary((4096, 1024), lambda x: x.sort(dim=0, stable=True).values),
    "sort_1M": unary((1048576,), lambda x: x.sort(dim=0, stable=True).values),
    "topk5_4096x1000": unary((4096, 1000), lambda x: x.topk(5).values),
    "topk100_4096x1000": unary((4096, 1000), lambda x: x.topk(100).values),
    "topk5_10000x10000": unary((10000, 10000), lambda x: x.topk(5).values),
    "argmax_dim1": unary((4096, 1024), lambda x: x.argmax(1)),
}

if __name__ == "__main__":
    main(WORKLOADS)
