"""The card of a released model of halo baryons: what it takes, what it learned from, how good it is, what not to do."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any

from configs import Diffusion
from learn.card import facts, goals_told, own_evaluation, table
from learn.checkpoint import Meta
from learn.halos.page import cells
from learn.halos.scores import SCORES
from learn.sources.cutout import MASS

CARD = Template(
    """---
license: mit
tags: [cosmology, halos, baryons, diffusion]
---

# Baryons of halos

Draws $outputs around a halo from its dark matter: as many as there are seeds, by $kind of $network.

| | |
|---|---|
| input | $inputs: surface density [$unit], float32 (n, $n_inputs, $n_pixels, $n_pixels) |
| window | $width Mpc/h wide and $depth Mpc/h deep; wider ones are averaged to as many pixels |
| parameters | float32 (n, $n_params), in the order of the table below |
| output | $outputs: float32 (n, $n_outputs, $n_pixels, $n_pixels), pixels of $pixel_size Mpc/h |
| sampler | $sampler, $n_steps steps |
| weights | $n_weights, moving average of step $step |
| code | commit $commit |

## Trained on

SHA-256 of the data: `$data_sha256`. Parameters of the training halos:

$parameters

$note

## Measured

On the validation halos of its own training, means over halos:

$validation

$evaluation

## Limits

- Windows of this size, depth and pixel, around halos as massive as those of the table: of others it knows nothing.
- Parameters outside the ranges above are extrapolation; those with one value have never been varied.
- It has learned one model of baryons with its errors. Draws are not observations.

## Use

Check the files first, `sha256sum -c SHA256SUMS`: that they are whole, not who wrote them. Then

```
python -m learn import FOLDER --out CHECKPOINT
python -m ray_jobs.bind configs/bind/demo.yaml 'sampler={kind: checkpoint, folder: CHECKPOINT}'
```

MIT licence.
"""
)


def is_of_halos(meta: Meta) -> bool:
    """Whether a model is told the mass of a halo."""
    return MASS in meta.param_names


def baryon_card(meta: Meta, *, n_weights: int, evaluation: Mapping[str, Any] | None = None, note: str = "") -> str:
    """The card in Markdown; `evaluation` is what metrics.json of a judgement of halos holds.

    ValueError if that is of another model.
    """
    method = meta.config.method
    assert isinstance(method, Diffusion)
    return CARD.substitute(
        facts(meta, n_weights),
        unit=meta.unit,
        width=f"{meta.box_size:g}",
        kind=f"{method.kind}, {method.objective}",
        network=meta.config.net.kind,
        sampler=method.sampler.kind,
        n_steps=method.sampler.n_steps,
        note=note or "What made these halos is not said in this release.",
        evaluation=judged(meta, evaluation) if evaluation else "No held-out evaluation is in this release.",
    )


def judged(meta: Meta, evaluation: Mapping[str, Any]) -> str:
    """The scores of every channel on held-out halos, the mean profile beside the draws, and which goals are reached."""
    own_evaluation(meta, evaluation)
    if evaluation["config"].get("kind") != "halos":
        raise ValueError(f"evaluation: expected one of halos, got {evaluation['config'].get('kind')}")
    title = (
        f"On {evaluation['n_samples']} windows of {len(evaluation['simulations'])} {evaluation['split']} simulations, "
        "with standard errors over simulations:"
    )
    heads = [score.heading for score in SCORES]
    tables = [
        table((channel, *heads), ((method, *shown) for method, shown in cells(evaluation["rows"], channel)))
        for channel in evaluation["channels"]
    ]
    return "\n\n".join([title, *tables, goals_told(evaluation["goals"])])
