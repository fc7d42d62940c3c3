"""Queries: numbers by name, whole where they are, exactly as in JSON."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from learn.model import MAX_SEED
from serve.query import asked, numbers, refuse_any
from serve.schema import GenerateRequest, HaloAsked


def test_what_is_no_field_is_a_parameter() -> None:
    told = asked(QueryParams("mass=1e14&omega_m=.3&seed=7&pixel_size=1&sigma8=1"), HaloAsked)
    assert told == HaloAsked(mass=1e14, seed=7, pixel_size=1.0, params={"omega_m": 0.3, "sigma8": 1.0})
    assert isinstance(told.params["sigma8"], float)


def test_whole_numbers_are_exact_up_to_the_largest_seed() -> None:
    assert asked(QueryParams(f"seed={MAX_SEED - 1}"), GenerateRequest).seed == MAX_SEED - 1
    assert asked(QueryParams("n_samples=1e3&seed=5.0"), GenerateRequest).n_samples == 1000


@pytest.mark.parametrize("text", ["fish", "", "1,5", "0x10", "[1]", "True"])
def test_what_is_no_number_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="h: expected a number, got"):
        numbers(QueryParams([("h", text)]))


def test_a_name_is_given_once_and_json_takes_none() -> None:
    with pytest.raises(ValueError, match="h: expected one value, got two"):
        numbers(QueryParams("h=1&h=1"))
    with pytest.raises(ValueError, match="expected parameters in the JSON body, got 'h'"):
        refuse_any(QueryParams("h=1"))
    refuse_any(QueryParams(""))
