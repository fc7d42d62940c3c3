"""The card of a released inference machine: what it takes, what it learned from, how good it is, what not to do."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any

from configs import LensSystems, Rim
from learn.card import facts, goals_told, own_evaluation, table
from learn.checkpoint import Meta
from learn.lenses.goals import PREDECESSOR_NOTE
from learn.lenses.page import shares, theirs
from learn.lenses.rows import ALL, FITTED, SCORES

CARD = Template(
    """---
license: mit
tags: [cosmology, strong-lensing, inverse-problems]
---

# An inference machine for strong lenses

From an image of a strong lens to the unlensed source, the lens and the errors of both: a recurrent network that takes
steps along the exact likelihood.

| | |
|---|---|
| input | image without the light of the lens, noise map and point spread function, float32; pixels of any size |
| sides | $side x $side pixels; sources have $source x $source over $field of the side, $fine x $fine if fitted |
| output | source, lens ($parameters_told), draws of both, residual, chi^2 |
| method | $n_iterations iterations, forward operator $forward, $n_weights weights, moving average of step $step |
| code | commit $commit |

## Trained on

Simulated lenses, none seen twice: $families. SHA-256 of what makes them: `$data_sha256`. Their lenses, as unbounded
numbers (lengths in halves of the side of an image, as logarithms where they are above 0):

$parameters

$note

## Measured

On the validation systems of its own training, means over systems:

$validation

$evaluation

## Limits

- It knows elliptical power laws in external shear, with or without an NFW halo about the same centre: of subhalos and
  masses in other planes it finds the best such lens.
- No image tells a sheet of mass from a larger source: the scale and the shift of a source, and the slope of its lens,
  are about as uncertain as before. “Aligned” scores are after these two.
- Lenses, sources and cameras outside the families above are extrapolation; so is light of the lens that is left over.
- Errors are those of its families. On real images look at the residual and at chi^2 first.
- Not for: point sources, several source planes, clusters; hypothesis tests on subhalos.

## Use

Check the files first, `sha256sum -c SHA256SUMS`: that they are whole, not who wrote them. Then

```
python -m learn import FOLDER --out CHECKPOINT
```

```python
from learn.lenses.inverter import Effort, Inverter
found = Inverter.load("CHECKPOINT")(images, noise, psf, pixel_size, Effort(n_refine=20))  # numpy; arcsec
```

MIT licence.
"""
)


def inverter_card(meta: Meta, *, n_weights: int, evaluation: Mapping[str, Any] | None = None, note: str = "") -> str:
    """The card in Markdown; `evaluation` is what metrics.json of a judgement of lenses holds.

    ValueError if that is of another model.
    """
    method, data = meta.config.method, meta.config.data
    assert isinstance(method, Rim)
    assert isinstance(data, LensSystems)
    return CARD.substitute(
        facts(meta, n_weights),
        side=data.n_pixels,
        source=data.n_source_pixels,
        fine=data.n_source_pixels * method.fit_subpixels,
        field=f"{data.field:g}",
        parameters_told=", ".join(meta.param_names),
        n_iterations=method.n_iterations,
        forward=method.forward,
        families=", ".join(path.stem for path in data.families),
        note=note or "What made these lenses is in `configs/lenses` of the code.",
        evaluation=judged(meta, evaluation) if evaluation else "No held-out evaluation is in this release.",
    )


def judged(meta: Meta, evaluation: Mapping[str, Any]) -> str:
    """The printed scores on all systems and on those that are fitted, coverage, and which goals are reached."""
    own_evaluation(meta, evaluation)
    if evaluation["config"].get("kind") != "lenses":
        raise ValueError(f"evaluation: expected one of lenses, got {evaluation['config'].get('kind')}")
    sets = [name for name in (ALL, FITTED) if name in evaluation["sets"]]
    title = (
        f"On {evaluation['n_systems']} {evaluation['split']} systems of {', '.join(evaluation['simulations'])}, with "
        f"standard errors over systems; “{FITTED}” are those that lenstronomy was fitted to:"
    )
    tables = [one_set(name, evaluation) for name in sets]
    told = [one for one in evaluation["goals"] if one["data"] == ALL]
    goals = goals_told([{**one, "text": f"{one['method']}: {one['text']}"} for one in told])
    return "\n\n".join([title, *tables, f"Predecessor: {PREDECESSOR_NOTE}.", *coverages(evaluation), goals])


def one_set(name: str, evaluation: Mapping[str, Any]) -> str:
    """A row a method, and what the predecessor reports."""
    printed = [i for i, score in enumerate(SCORES) if score.printed]
    rows = [row for row in evaluation["rows"] if row["data"] == name]
    cells = [(str(row["method"]), *(SCORES[i].shown(row) for i in printed)) for row in rows]
    cells.append(("predecessor", *(theirs(evaluation["predecessor"])[i] for i in printed)))
    return table((f"{name} ({evaluation['sets'][name]})", *(SCORES[i].heading for i in printed)), iter(cells))


def coverages(evaluation: Mapping[str, Any]) -> list[str]:
    """A table a kind of draws."""
    return [
        table((f"in the central part of the {kind}", "68 %", "95 %"), ((str(one["of"]), *shares(one)) for one in every))
        for kind, every in evaluation["coverage"].items()
    ]
