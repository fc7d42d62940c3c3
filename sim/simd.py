"""Vectors of float32 inside numba kernels: loaded, added, multiplied and stored whole, with the same bits on any CPU.

A `Vector` lives in registers; there is no Python object of it. Nothing is contracted to fused multiply-adds, so that a
machine with wider vectors computes what one with narrower ones does. Offsets count float32 in the array, whatever its
shape, and are not checked. Knows nothing of what is computed.
"""

# numba's extension interface has no types.
# mypy: disable-error-code="no-untyped-def, misc, type-arg, no-untyped-call"

from __future__ import annotations

import operator
from functools import partial
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

intrinsic: Any = extending.intrinsic
FLOAT, INDEX = ir.FloatType(), ir.IntType(32)
AHEAD = 32
"""How many turns ahead of its own a kernel should `prefetch` what it will need."""


class Vector(types.Type):
    """Numba's type of `width` float32."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"float32x{width}")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, vector) -> None:
        super().__init__(manager, vector, ir.VectorType(FLOAT, vector.width))


def _arithmetic(symbol: Any, instruction: str) -> None:
    """Let `symbol` of two vectors, or of a float32 and a vector, be `instruction`."""

    @infer_global(symbol)
    class _Template(AbstractTemplate):
        def generic(self, arguments, _):
            a, b = arguments
            if isinstance(b, Vector) and (a == b or a == types.float32):
                return signature(b, a, b)
            return None

    @lower_builtin(symbol, Vector, Vector)
    def _of_vectors(_context, builder, _signature, arguments):
        return getattr(builder, instruction)(*arguments)

    @lower_builtin(symbol, types.float32, Vector)
    def _of_scalar(_context, builder, signature, arguments):
        scalar, vector = arguments
        return getattr(builder, instruction)(_splat(builder, scalar, signature.args[1].width), vector)


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _arithmetic(_symbol, _instruction)


def _splat(builder, scalar, width: int):
    """A vector of equal elements."""
    kind = ir.VectorType(FLOAT, width)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, INDEX(0))
    return _picked(builder, one, one, [0] * width)


def _picked(builder, a, b, indices: list[int]):
    """The elements `indices` of a followed by b."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INDEX, len(indices)), indices))


def _pointer(context, builder, kind, array, offset, width: int):
    """Where a vector begins in an array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(cgutils.gep(builder, data, offset), ir.VectorType(FLOAT, width).as_pointer())


def _load(context, builder, signature, arguments, width: int):
    pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], width)
    return builder.load(pointer, align=4)


@intrinsic
def load4(_typing, array, offset):
    """array[offset : offset + 4]"""
    return Vector(4)(array, offset), partial(_load, width=4)


@intrinsic
def load8(_typing, array, offset):
    """array[offset : offset + 8]"""
    return Vector(8)(array, offset), partial(_load, width=8)


@intrinsic
def load16(_typing, array, offset):
    """array[offset : offset + 16]"""
    return Vector(16)(array, offset), partial(_load, width=16)


@intrinsic
def store(_typing, array, offset, vector):
    """array[offset : offset + width] = vector"""

    def build(context, builder, signature, arguments):
        kind, _, vector = signature.args
        pointer = _pointer(context, builder, kind, arguments[0], arguments[1], vector.width)
        builder.store(arguments[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, offset, vector), build


@intrinsic
def vector4(_typing, a, b, c, d):
    """Four float32 as a vector."""

    def build(_context, builder, _signature, arguments):
        vector = ir.Constant(ir.VectorType(FLOAT, 4), ir.Undefined)
        for i, element in enumerate(arguments):
            vector = builder.insert_element(vector, element, INDEX(i))
        return vector

    return Vector(4)(a, b, c, d), build


@intrinsic
def quarters(_typing, vector):
    """The four-element parts of a vector, as a tuple."""
    n_parts = vector.width // 4

    def build(context, builder, signature, arguments):
        starts = range(0, vector.width, 4)
        parts = [_picked(builder, arguments[0], arguments[0], list(range(i, i + 4))) for i in starts]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(Vector(4), n_parts)(vector), build


@intrinsic
def elements(_typing, vector):
    """The elements of a vector, as a tuple of float32."""

    def build(context, builder, signature, arguments):
        found = [builder.extract_element(arguments[0], INDEX(i)) for i in range(vector.width)]
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.float32, vector.width)(vector), build


@intrinsic
def unzip(_typing, a, b):
    """Elements 0, 2, 4, ... and 1, 3, 5, ... of a followed by b, two vectors."""

    def build(context, builder, signature, arguments):
        halves = [_picked(builder, arguments[0], arguments[1], list(range(i, 2 * a.width, 2))) for i in range(2)]
        return context.make_tuple(builder, signature.return_type, halves)

    return types.UniTuple(a, 2)(a, b), build


@intrinsic
def zip2(_typing, a, b):
    """The inverse of `unzip`."""

    def build(context, builder, signature, arguments):
        order = [i // 2 + a.width * (i % 2) for i in range(2 * a.width)]
        one, two = arguments
        halves = [_picked(builder, one, two, order[i : i + a.width]) for i in (0, a.width)]
        return context.make_tuple(builder, signature.return_type, halves)

    return types.UniTuple(a, 2)(a, b), build


def _transposed(builder, vectors: list[Any], cell: int) -> list[Any]:
    """Off-diagonal blocks of a matrix exchanged: of half its size, of a quarter, and so on down to `cell` floats."""
    n, width = len(vectors), len(vectors) * cell
    block = n // 2
    while block:
        step = block * cell
        low = [e if not e & step else width + e - step for e in range(width)]
        high = [e + step if not e & step else width + e for e in range(width)]
        for i in (i for i in range(n) if not i & block):
            a, b = vectors[i], vectors[i + block]
            vectors[i], vectors[i + block] = _picked(builder, a, b, low), _picked(builder, a, b, high)
        block //= 2
    return vectors


def _transpose(context, builder, signature, arguments, cell: int):
    """What `transpose` and `transpose_pairs` do."""
    _, begin, step, _, begin_to, step_to = arguments
    n = 16 // cell

    def place(array: int, first, by, i: int):
        offset = builder.add(first, builder.mul(by, ir.Constant(by.type, i)))
        return _pointer(context, builder, signature.args[array], arguments[array], offset, 16)

    vectors = [builder.load(place(0, begin, step, i), align=4) for i in range(n)]
    for i, vector in enumerate(_transposed(builder, vectors, cell)):
        builder.store(vector, place(3, begin_to, step_to, i), align=4)
    return context.get_dummy_value()


@intrinsic
def transpose(_typing, source, begin, step, target, begin_to, step_to):
    """A matrix of 16 x 16 float32, whose rows are `step` apart in `source` and `step_to` in `target`."""
    return types.void(source, begin, step, target, begin_to, step_to), partial(_transpose, cell=1)


@intrinsic
def transpose_pairs(_typing, source, begin, step, target, begin_to, step_to):
    """A matrix of 8 x 8 pairs of float32."""
    return types.void(source, begin, step, target, begin_to, step_to), partial(_transpose, cell=2)


@intrinsic
def prefetch(_typing, array, offset):
    """Begin to fetch array[offset] into the cache. An offset beyond the end does nothing."""

    def build(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        kinds = [byte, INDEX, INDEX, INDEX]
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0i8"
        )
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(cgutils.gep(builder, data, arguments[1]), byte)
        builder.call(function, [place, INDEX(0), INDEX(3), INDEX(1)])
        return context.get_dummy_value()

    return types.void(array, offset), build
