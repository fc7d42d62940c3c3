"""The card of a released model of halos: what it draws, what it was trained on, how good it is, what it must not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import Template
from typing import Any

from configs import CountLikelihood
from learn.card import facts, own_evaluation, table
from learn.checkpoint import Meta
from learn.counts.verdicts import outcomes, verdicts
from learn.scores.halo_scores import PRINTED

CARD = Template(
    """---
license: mit
tags: [cosmology, halos]
---

# A painter of halos

Counts the halos in the cells of a box from its density: as many draws as there are seeds, $how.

| | |
|---|---|
| input | $inputs over its mean, float32 (D, H, W) of a periodic box, each side at least $least cells |
| parameters | float32 ($n_params,), in the order of the table below |
| output | $outputs: $unit, int32 ($n_outputs, D, H, W); names are bins in log10 of M200c [Msun/h] |
| reach | $margin cells to each side: $reach Mpc/h$rounds |
| method | $method, $n_weights weights, moving average of step $step |
| code | commit $commit |

## Trained on

Cells of $pixel_size Mpc/h. SHA-256 of the data: `$data_sha256`. Parameters of the training boxes:

$parameters

$note

## Measured

On the validation boxes of its own training, means over patches:

$validation

$evaluation

## Limits

- Cells of $pixel_size Mpc/h within 1 %, and density deposited as in training: of others it knows nothing.
- Parameters outside the ranges above are extrapolation.
- It has learned the halos of one kind of simulation and one halo finder, with their resolution and their errors.
- Not for: halos below the first bin; structure inside a cell; velocities; what halos share beyond $reach Mpc/h that
  their density does not say.

## Use

Check the files first, `sha256sum -c SHA256SUMS`: that they are whole, not who wrote them. Then

```
python -m learn import FOLDER --out CHECKPOINT
python -m ray_jobs.halos configs/halos/counts.yaml checkpoint=CHECKPOINT source=BOX n_draws=10
```

```python
from learn.halo_painter import HaloPainter
halos = HaloPainter.load("CHECKPOINT")(density, cell_size=$pixel_size, seed=1)  # params=None: the training means
```

MIT licence.
"""
)
HOW = {True: "from a distribution whose parameters a network gives", False: "by a generator that is shown noise"}


def halo_card(meta: Meta, *, n_weights: int, evaluation: Mapping[str, Any] | None = None, note: str = "") -> str:
    """The card in Markdown; `evaluation` is what metrics.json of a judgement of halos holds.

    ValueError if that is of another model.
    """
    margin = meta.config.inception.margin
    return CARD.substitute(
        facts(meta, n_weights),
        how=HOW[isinstance(meta.config.method, CountLikelihood)],
        least=max(margin, 1),
        margin=margin,
        reach=f"{margin * meta.pixel_size:g}",
        rounds=rounds_of(meta),
        method=method_of(meta),
        note=note or "What made these boxes is not said in this release.",
        evaluation=judged(meta, evaluation) if evaluation else "No held-out evaluation is in this release.",
    )


def rounds_of(meta: Meta) -> str:
    """In how many rounds cells are counted, where they are not all at once."""
    method = meta.config.method
    if not isinstance(method, CountLikelihood) or method.rounds == 1:
        return ""
    return f", in each of {method.rounds} rounds, shown the counts of those before"


def method_of(meta: Meta) -> str:
    """What its method is called, and its likelihood if it has one."""
    method = meta.config.method
    return f"{method.kind}, {method.likelihood}" if isinstance(method, CountLikelihood) else method.kind


def judged(meta: Meta, evaluation: Mapping[str, Any]) -> str:
    """The main scores on every set of boxes, the baselines beside the painter, and how many goals are reached."""
    own_evaluation(meta, evaluation)
    if evaluation["config"].get("kind") != "counts":
        raise ValueError(f"evaluation: expected one of counts, got {evaluation['config'].get('kind')}")
    rows = evaluation["rows"]
    span = f"{evaluation['k_min']:g} to {evaluation['k_max']:g}"
    parts = [f"From k = {span} h/Mpc, with standard errors over simulations:"]
    parts += [one_set(name, rows, evaluation["channels"]) for name in evaluation["data"]]
    lines = [f"- {sentence}" for sentence in (*verdicts(rows), *reached(rows))]
    return "\n\n".join([*parts, "\n".join(lines)])


def one_set(name: str, rows: Sequence[Mapping[str, Any]], channels: Sequence[str]) -> str:
    """A row a channel and method."""
    held = [row for row in rows if row["data"] == name]
    head = (name, "", *(score.heading.replace("|", "\\|") for score in PRINTED))
    ordered = (row for channel in channels for row in held if row["channel"] == channel)
    cells = ((row["channel"], row["method"], *(score.shown(row) for score in PRINTED)) for row in ordered)
    return table(head, cells)


def reached(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How many goals are reached on each set of boxes."""
    found = outcomes(rows)
    for name in dict.fromkeys(one["data"] for one in found):
        known = [one for one in found if one["data"] == name and one["is_reached"] is not None]
        yield f"{name}: {sum(one['is_reached'] for one in known)} of {len(known)} goals reached"
