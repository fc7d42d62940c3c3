"""The card of a released generator: what it draws, what it was trained on, how good it is, and what it must not do."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any

from configs import Diffusion
from learn.card import facts, goals_told, own_evaluation, table
from learn.checkpoint import Meta
from learn.fields.scores import SCORES

CARD = Template(
    """---
license: mit
tags: [cosmology, density-fields, diffusion]
---

# A generator of density fields

Draws $kind of $outputs from $condition: as many as there are seeds, by $objective diffusion.

| | |
|---|---|
| input | seeds, and parameters float32 (n, $n_params) in the order of the table below$inputs |
| output | $outputs: density [$unit], float32 (n, $n_outputs$sides), periodic: $periodic |
| sampler | $sampler, $n_steps steps |
| method | $net, $n_weights weights, moving average of step $step |
| code | commit $commit |

## Trained on

Fields $box_size Mpc/h wide and $depth Mpc/h deep, pixels of $pixel_size Mpc/h. SHA-256 of the data: `$data_sha256`.
Parameters of the training fields:

$parameters

$note

## Measured

On the validation fields of its own training, means over fields:

$validation

$evaluation

## Limits

- Fields of this size, depth and pixel: of others it knows nothing.
- Parameters outside the ranges above are extrapolation.
- It has learned one kind of simulation, with its resolution and its errors. Samples are not observations.
- Not for: covariances or inference without a test of the whole chain on simulations that it never saw; scales below two
  pixels; guidance other than 1 where P(k) matters.

## Use

Check the files first, `sha256sum -c SHA256SUMS`: that they are whole, not who wrote them. Then

```
python -m learn import FOLDER --out CHECKPOINT
python -m ray_jobs.generate configs/generate/fields.yaml checkpoint=CHECKPOINT --num-samples 100 --seed 1
```

```python
from learn.sampler import Sampler
fields = Sampler.load("CHECKPOINT")(range(8))  # numpy; params=None: the training means
```

MIT licence.
"""
)
OBJECTIVES = {"eps": "noise-predicting", "v": "velocity", "edm": "EDM", "flow": "flow-matching"}


def generator_card(meta: Meta, *, n_weights: int, evaluation: Mapping[str, Any] | None = None, note: str = "") -> str:
    """The card in Markdown; `evaluation` is what metrics.json of a judgement of fields holds.

    ValueError if that is of another model.
    """
    method = meta.config.method
    assert isinstance(method, Diffusion)
    given = ", ".join(meta.input_channels)
    return CARD.substitute(
        facts(meta, n_weights),
        kind="cubes" if meta.n_dims == 3 else "maps",
        condition=f"{given} and parameters" if given else "parameters",
        inputs=f"; {given} float32 (n, {len(meta.input_channels)}, ...)" if given else "",
        objective=OBJECTIVES[method.objective],
        sides=f", {meta.n_pixels}" * meta.n_dims,
        periodic="yes" if meta.periodic else "no",
        sampler=method.sampler.kind,
        n_steps=method.sampler.n_steps,
        net=meta.config.net.kind,
        note=note or "What made these fields is not said in this release.",
        evaluation=judged(meta, evaluation) if evaluation else "No held-out evaluation is in this release.",
    )


def judged(meta: Meta, evaluation: Mapping[str, Any]) -> str:
    """The main scores on held-out simulations, the baselines beside the samples, and which goals are reached."""
    own_evaluation(meta, evaluation)
    if evaluation["config"].get("kind") != "fields":
        raise ValueError(f"evaluation: expected one of fields, got {evaluation['config'].get('kind')}")
    chosen = [score for score in SCORES if score.printed]
    scores = ((str(row["method"]), *(score.shown(row) for score in chosen)) for row in evaluation["rows"])
    title = (
        f"On {evaluation['n_fields']} fields of {len(evaluation['simulations'])} {evaluation['split']} simulations, "
        f"with {evaluation['subject']['n_evaluations']} network evaluations a sample and standard errors over "
        "simulations:"
    )
    return "\n\n".join(
        [title, table(("", *(score.heading for score in chosen)), scores), goals_told(evaluation["goals"])]
    )
