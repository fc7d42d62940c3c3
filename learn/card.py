"""The card of a released model: what it does, what it was trained on, how good it is, and what it must not do.

Writes Markdown from what a checkpoint and an evaluation say; knows nothing of weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import Template
from typing import Any

from configs import Painting, Stochastic
from learn.checkpoint import Meta
from learn.program import n_noise
from learn.scores.score import PRINTED, Row
from learn.table import coverages, goals
from learn.verdicts import outcomes

CARD = Template(
    """---
license: mit
tags: [cosmology, weak-lensing, baryons]
---

# A baryon painter

Paints the $outputs of a hydrodynamic universe on maps of a gravity-only one. $answers

| | |
|---|---|
| input | $inputs: surface density [$unit], float32 (B, $n_inputs, H, W) |
| sides | H and W are multiples of $stride, at least $least |
| parameters | float32 (B, $n_params), in the order of the table below |
| output | $outputs: surface density [$unit], float32 (B, $n_outputs, H, W) |
| edges | $edges |
| method | $method, $n_weights weights, moving average of step $step |
| code | commit $commit |

## Trained on

Maps $box_size Mpc/h wide and $depth Mpc/h deep, $n_pixels x $n_pixels pixels of $pixel_size Mpc/h. SHA-256 of the data:
`$data_sha256`. Parameters of the training maps:

$parameters

$note

## Measured

On the validation maps of its own training, means over maps:

$validation

$evaluation

## Limits

- Pixels of $pixel_size Mpc/h within 1 % and lines of sight of $depth Mpc/h: of others it knows nothing.
- Parameters outside the ranges above are extrapolation. $redshift
- $conserves
- It has learned one family of simulations or baryon models. On another it errs by more than is measured above.
- Not for: $unlike; absolute predictions of feedback; inference of
  parameters without a test of the whole chain on simulations that it never saw; scales below two pixels.

## Use

Check the files first, `sha256sum -c SHA256SUMS`: that they are whole, not who wrote them. With Darkglass:

```
python -m learn import FOLDER --out CHECKPOINT
```

```python
from learn.predict import Predictor
painter = Predictor.load("CHECKPOINT")
fields = painter(maps, params, pixel_size=$pixel_size)  # numpy; params=None: the training means
```

$program
MIT licence.
"""
)


def card(
    meta: Meta,
    *,
    n_weights: int,
    evaluation: Mapping[str, Any] | None = None,
    has_program: bool = True,
    note: str = "",
) -> str:
    """The card in Markdown; `evaluation` is what metrics.json of `python -m learn evaluate` holds.

    `note` says in words what the maps are that it was trained on. ValueError if the evaluation is of another model,
    or the model is none that paints baryons.
    """
    if not isinstance(meta.config.method, Painting):
        raise ValueError(f"card: expected a painter of baryons, got {meta.config.method.kind}")
    return CARD.substitute(
        facts(meta, n_weights),
        stride=meta.config.net.stride,
        least=2 * meta.config.net.stride,
        answers=ANSWERS[isinstance(meta.config.method, Stochastic)],
        edges=EDGES[meta.periodic],
        unlike=UNLIKE[meta.periodic],
        method=meta.config.method.kind,
        note=note or "What made these maps is not said in this release.",
        evaluation=judged(meta, evaluation) if evaluation is not None else "No held-out evaluation is in this release.",
        redshift=redshift(meta),
        conserves=CONSERVES[meta.config.method.conserve_mass],
        program=program(meta) if has_program else "",
    )


ANSWERS = {
    False: "One answer to every map, about the mean logarithm of what it leaves open: small scales are too smooth.",
    True: "As many answers as seeds: draws from the distribution that the map leaves open.",
}
EDGES = {True: "periodic", False: "not periodic: mirrored at the edges, which are less certain"}
UNLIKE = {
    True: "hydrodynamic dark matter, which feels the baryons already; windows that are not periodic",
    False: "hydrodynamic dark matter, which feels the baryons already; whole periodic boxes",
}
CONSERVES = {
    True: "Total matter has the mass of the input, map by map; gas and stars need not add up with anything.",
    False: "Mass is not conserved: matter may leave a map, or enter it.",
}
PROGRAM = Template(
    """Without it, in torch (`torch.export.load` may unpickle: open `program.pt2` only from a source that you trust):

```python
import torch
program = torch.export.load("program.pt2").module()
fields = program($call)  # tensors on the CPU; nothing is checked
```
"""
)
NOISE = Template(
    """
`noise` is white, of unit variance, float32: (B, $n, H / c, W / c) for c in $cells. In Darkglass the seed s stands for
`rng = numpy.random.default_rng(s)` and `rng.standard_normal(shape, dtype="float32")`, one shape after the other, the
same for every map.
"""
)


def program(meta: Meta) -> str:
    """How the torch program is called."""
    if not n_noise(meta):
        return PROGRAM.substitute(call="maps, params")
    return PROGRAM.substitute(call="maps, params, *noise") + NOISE.substitute(n=n_noise(meta), cells=noise_cells(meta))


def noise_cells(meta: Meta) -> str:
    return ", ".join(str(meta.config.unet.patch * 2**level) for level in range(meta.config.unet.n_levels))


def redshift(meta: Meta) -> str:
    """What is known of the redshift."""
    if "redshift" not in meta.param_names:
        return "Redshift is no parameter of it: it holds at that of its training maps."
    scale, i = meta.normalizer.params, meta.param_names.index("redshift")
    return f"Redshifts from {scale.low[i]:g} to {scale.high[i]:g}."


def facts(meta: Meta, n_weights: int) -> dict[str, str]:
    """What every card says of a model, by the names that its text has for it."""
    rows = ((name.removeprefix("val/"), f"{value:.4g}") for name, value in meta.metrics.items())
    return {
        "inputs": ", ".join(meta.input_channels),
        "outputs": ", ".join(meta.target_channels),
        "n_inputs": str(len(meta.input_channels)),
        "n_outputs": str(len(meta.target_channels)),
        "n_params": str(len(meta.param_names)),
        "n_weights": f"{n_weights:,}",
        "unit": meta.target_unit or meta.unit,
        "step": str(meta.step),
        "commit": meta.commit,
        "data_sha256": meta.data_sha256,
        "parameters": parameters(meta),
        "validation": table(("", "mean"), rows),
        **{key: f"{getattr(meta, key):g}" for key in ("box_size", "depth", "pixel_size", "n_pixels")},
    }


def parameters(meta: Meta) -> str:
    """A row a parameter: what was seen in training."""
    scale = meta.normalizer.params
    columns = zip(meta.param_names, meta.param_defaults, scale.low, scale.high, strict=True)
    rows = ((name, f"{default:.6g}", f"{low:.6g}", f"{high:.6g}") for name, default, low, high in columns)
    return table(("parameter", "default", "lowest", "highest"), rows)


def judged(meta: Meta, evaluation: Mapping[str, Any]) -> str:
    """The main scores on held-out simulations, the baselines beside the painter; coverage; which goals are reached."""
    own_evaluation(meta, evaluation)
    rows: Sequence[Row] = evaluation["rows"]
    title = (
        f"On {len(evaluation['simulations'])} {evaluation['split']} simulations, with standard errors over simulations "
        "(worst and mean over bins of k, in h/Mpc):"
    )
    tables = (one_channel([row for row in rows if row["channel"] == channel]) for channel in meta.target_channels)
    lines = [f"- {line.strip()}" for line in (*coverages(rows), *goals(outcomes(rows)).splitlines())]
    return "\n\n".join([title, *tables, "\n".join(lines)])


def own_evaluation(meta: Meta, evaluation: Mapping[str, Any]) -> None:
    """ValueError unless an evaluation is of this model."""
    own = {"step": meta.step, "commit": meta.commit, "weights_sha256": meta.weights_sha256}
    subject = evaluation.get("subject")
    if not isinstance(subject, Mapping) or {key: subject.get(key) for key in own} != own:
        raise ValueError(f"evaluation: expected that of the checkpoint of {own}, got {subject}")


def goals_told(goals: Sequence[Mapping[str, Any]]) -> str:
    """A line a goal: what it is, what was found, whether that reaches it."""
    answers = {True: "reached", False: "missed", None: "cannot tell"}
    return "\n".join(f"- {goal['text']}: {goal['found']}, {answers[goal['is_reached']]}" for goal in goals)


def one_channel(rows: Sequence[Row]) -> str:
    """A row a method, a column a printed score."""
    head = (str(rows[0]["channel"]), *(score.heading.replace("|", "\\|") for score in PRINTED))
    return table(head, ((str(row["method"]), *(score.shown(row) for score in PRINTED)) for row in rows))


def table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
