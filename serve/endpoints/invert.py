"""The source and the lens of an image, from a FITS file: what `python -m learn reconstruct` writes.

Knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from configs import LensSystems, Reconstruct, Rim, ServeInversions
from configs.observing import PointSpread
from learn.lenses import reconstruct
from learn.lenses.inverter import Inverter
from learn.lenses.preparation import Job as Prepared
from learn.lenses.reconstruct import UNUSABLE, Lens
from learn.lenses.reconstruction import Reconstruction, reconstruction
from learn.lenses.reconstruction_files import files, parameters
from serve.archive import archive
from serve.endpoints.draws import refuse_above
from serve.endpoints.endpoint import Route
from serve.fits_body import laid_down, max_bytes
from serve.media import JSON, NPY, ZIP
from serve.npy import encode
from serve.schema import InvertAnswer, InvertAsked, InvertModel
from sim.images.catalog import Entry
from sim.images.observation import Observation
from sim.images.read import read
from sim.images.sources import Source

NAME = "lens"
"""What the files of an answer begin with."""
OPTIONS = ("field", "n_iterations", "n_refine", "seed", "pixel_scale", "exposure_time", "gain", "background_rms")
N_DRAWS = 32
"""Unless a request asks for another number."""
ROUTE = Route(
    path="/v1/invert",
    summary="Source and lens of an image",
    description="Invert an image of a strong lens: a FITS file, prepared or not, as `python -m learn reconstruct` "
    "takes it. The answer is a zip file of what that writes; as JSON, its parameters; as .npy, its source.",
    asked=InvertAsked,
    request=InvertAsked,
    answer=InvertAnswer,
    key="lens_model",
    channel_axis=0,
    takes_file=True,
)


class Job(NamedTuple):
    """An image as it was read, how it is inverted, what it is made from, and the kind of the answer."""

    seen: Observation
    entry: Entry
    config: Reconstruct
    made: Mapping[str, Any]
    kind: str


class Invert:
    """A machine: an image after the other, each on one core, as a batch of several would change its last bits."""

    route: ClassVar[Route] = ROUTE

    def __init__(self, machine: Inverter, config: ServeInversions) -> None:
        self._machine, self._checkpoint = machine, config.checkpoint
        self.model = self.described(config)
        self.max_bytes = max_bytes(config.max_pixels)

    @classmethod
    def described(cls, config: ServeInversions) -> InvertModel:
        """ValueError for a checkpoint of another family."""
        meta = Inverter.read_meta(config.checkpoint)
        data, method = meta.config.data, meta.config.method
        assert isinstance(data, LensSystems)
        assert isinstance(method, Rim)
        return InvertModel(
            path=ROUTE.path,
            name=meta.config.out.name,
            method=method.kind,
            params=[],
            step=meta.step,
            commit=meta.commit,
            **{name: getattr(data, name) for name in ("n_pixels", "n_source_pixels", "field")},
            n_iterations=method.n_iterations,
            **{name: getattr(config, name) for name in ("max_pixels", "max_refine", "max_draws")},
        )

    @classmethod
    def load(cls, config: ServeInversions) -> Self:
        return cls(Inverter.load(config.checkpoint), config)

    def job(self, body: bytes, asked: InvertAsked, kind: str) -> Job:
        """What is to be done; MalformedFitsError where the body is no FITS file, ValueError why it cannot be."""
        self.refuse(asked)
        entry = Entry(asked.z_lens, asked.z_source)
        with laid_down(body, f"{NAME}.fits", self.model.max_pixels) as path:
            config = configured(asked, self._checkpoint, path, asked.n_draws or min(N_DRAWS, self.model.max_draws))
            source = Prepared(Source(NAME, path), entry)
            made = reconstruct.made_of(Lens(NAME, source, self._machine.meta.weights_sha256), config)
            return Job(read(source.source, config, entry), entry, config, made, kind)

    def refuse(self, asked: InvertAsked) -> None:
        """ValueError for more effort than is given, and for a parameter that is none."""
        if asked.params:
            known = ", ".join(name for name in InvertAsked.model_fields if name != "params")
            raise ValueError(f"query: any of {known}; got {next(iter(asked.params))}")
        refuse_above("n_refine", asked.n_refine, self.model.max_refine)
        refuse_above("n_draws", asked.n_draws or 0, self.model.max_draws)

    def run(self, jobs: Sequence[Job]) -> list[bytes | ValueError]:
        """The body of the answer to each job, or why there is none: a bad image is its own."""
        return [self._inverted(job) for job in jobs]

    def _inverted(self, job: Job) -> bytes | ValueError:
        try:
            seen = reconstruct.ready(job.seen, job.entry, job.config)
            return BODIES[job.kind](reconstruction(NAME, seen, self._machine, job.config, job.made))
        except UNUSABLE as error:
            return ValueError(str(error))


def configured(asked: InvertAsked, checkpoint: Path, path: Path, n_draws: int) -> Reconstruct:
    """As the command line would have it; ValueError where that would refuse."""
    told = {name: getattr(asked, name) for name in OPTIONS}
    places: dict[str, Any] = {"checkpoint": checkpoint, "image": path, "out": path.parent / "out"}
    return Reconstruct(**places, **told, n_draws=n_draws, psf=PointSpread(fwhm=asked.psf_fwhm))


def zipped(made: Reconstruction) -> bytes:
    return archive({f"{made.name}{end}": content for end, content in files(made).items()})


BODIES: Mapping[str, Callable[[Reconstruction], bytes]] = {
    ZIP: zipped,
    JSON: lambda made: parameters(made.record),
    NPY: lambda made: encode(made.found.source[0]),
}
