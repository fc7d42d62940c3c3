"""Training as a person writes it by hand: a script's loop over a DataLoader, DistributedDataParallel for two.

The same network, loss, optimiser, clipping and moving average as ours, the maps in memory; nothing is logged,
validated, checked or kept.
"""

from __future__ import annotations

import os
import random
import time

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from configs import Train
from learn.data import Batch
from learn.methods import METHODS
from learn.normalize import Normalizer
from learn.sources import open_source

PORT = "29517"


def seconds_a_step(config: Train, normalizer: Normalizer, n_steps: int, rank: int, size: int) -> float:
    """Mean seconds of a step after the first three; on every one of `size` processes alike."""
    torch.set_num_threads(1)
    if size > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": PORT}
        dist.init_process_group("gloo", rank=rank, world_size=size)
    source = open_source(config.data, "train")
    every = source.read(range(len(source)))
    data = TensorDataset(every.inputs, every.targets, every.params)
    method = METHODS[config.method.kind](config, normalizer, source.about)
    torch.manual_seed(config.seed)
    (name, net), *_ = method.build().items()
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(config.optimizer.ema))
    model = DistributedDataParallel(net) if size > 1 else net
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.optimizer.lr, weight_decay=config.optimizer.weight_decay)
    sampler = DistributedSampler(data, size, rank, shuffle=True)
    batches = endless(DataLoader(data, config.batch_size // size, sampler=sampler, drop_last=True))
    for step in range(n_steps + 3):
        if step == 3:
            start = time.monotonic()
        batch = moved(*next(batches))
        optimizer.zero_grad()
        loss, _ = method.loss(name, {name: model}, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), config.optimizer.clip)
        optimizer.step()
        average.update_parameters(net)
    if size > 1:
        dist.destroy_process_group()
    return (time.monotonic() - start) / n_steps


def endless(loader: DataLoader):
    while True:
        yield from loader


def moved(inputs: Tensor, targets: Tensor, params: Tensor) -> Batch:
    """A batch turned, mirrored and rolled, all its maps alike."""
    turns, shifts = random.randrange(4), (random.randrange(inputs.shape[-1]), random.randrange(inputs.shape[-1]))
    inputs, targets = (torch.rot90(x, turns, (-2, -1)).roll(shifts, (-2, -1)) for x in (inputs, targets))
    return Batch(inputs, targets, params, torch.randint(2**62, (len(inputs),)))
