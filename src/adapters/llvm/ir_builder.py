"""Loops, constants and array access on top of LLVM's instruction builder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

BYTE, INT32, INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
FLOAT64 = ir.DoubleType()


def build_function(
    name: str, fields: Mapping[str, Any], scratch: Any, write: Callable[..., Any]
) -> str:
    """Return the module with the function `name(arrays, rows, count, scratch, out)`.

    `arrays` points to a struct of `fields`; `rows` and `out` are float64, `scratch` is of another
    type. `write` gets the builder, the fields by name, and the other arguments.
    """
    module = ir.Module(name)
    numbers = FLOAT64.as_pointer()
    struct = ir.LiteralStructType(fields.values()).as_pointer()
    types = [struct, numbers, INT64, scratch.as_pointer(), numbers]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), types), name)
    for argument in function.args:
        if isinstance(argument.type, ir.PointerType):
            argument.add_attribute("noalias")
    build = ir.IRBuilder(function.append_basic_block("start"))
    arrays, *others = function.args
    loaded = {
        field: build.load(build.gep(arrays, [whole(0), ir.Constant(INT32, position)]))
        for position, field in enumerate(fields)
    }
    write(build, loaded, others)
    build.ret_void()
    return str(module)


def whole(value: int) -> ir.Constant:
    """Return an integer constant."""
    return ir.Constant(INT64, value)


def number(value: float) -> ir.Constant:
    """Return a float64 constant."""
    return ir.Constant(FLOAT64, value)


def byte(value: int) -> ir.Constant:
    """Return a constant byte."""
    return ir.Constant(BYTE, value)


class Loop:
    """A loop under construction: its `index`, and variables that each iteration updates."""

    def __init__(self, build: ir.IRBuilder, start: Sequence[Any], first: int = 0) -> None:
        before, self._head = build.block, build.append_basic_block("loop")
        build.branch(self._head)
        build.position_at_end(self._head)
        self.index = build.phi(INT64)
        self.index.add_incoming(whole(first), before)
        self.variables = [build.phi(value.type) for value in start]
        for variable, value in zip(self.variables, start, strict=True):
            variable.add_incoming(value, before)

    def repeat(self, build: ir.IRBuilder, step: int, stop: Any, values: Sequence[Any]) -> None:
        """End the body: repeat with the next index and these values while it is below `stop`."""
        following = build.add(self.index, whole(step))
        self.index.add_incoming(following, build.block)
        for variable, value in zip(self.variables, values, strict=True):
            variable.add_incoming(value, build.block)
        end = build.append_basic_block("after")
        build.cbranch(build.icmp_signed("<", following, stop), self._head, end)
        build.position_at_end(end)


@contextmanager
def counting(build: ir.IRBuilder, stop: Any, step: int = 1, first: int = 0) -> Iterator[Any]:
    """Build a loop over `first`, first + step, … below `stop`; `stop` must be above `first`."""
    loop = Loop(build, (), first)
    yield loop.index
    loop.repeat(build, step, stop, ())


def at(build: ir.IRBuilder, array: Any, index: Any) -> Any:
    """Return a pointer to an element of an array."""
    return build.gep(array, [index])


def load(build: ir.IRBuilder, array: Any, index: Any) -> Any:
    """Return an element of an array; 32-bit integers are extended to 64 bits."""
    value = build.load(at(build, array, index))
    return build.zext(value, INT64) if value.type == INT32 else value


def widened(build: ir.IRBuilder, value: Any) -> Any:
    """Return a byte or bit extended to 64 bits."""
    return build.zext(value, INT64)


def vector_at(build: ir.IRBuilder, array: Any, index: Any, kind: ir.VectorType) -> Any:
    """Return a pointer to the vector that begins at an element of an array."""
    return build.bitcast(at(build, array, index), kind.as_pointer())


def broadcast(build: ir.IRBuilder, value: Any, lanes: int) -> Any:
    """Return a vector with the same value in each lane."""
    empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = build.insert_element(empty, value, ir.Constant(INT32, 0))
    zeros = ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes)
    return build.shuffle_vector(first, empty, zeros)


def lesser(build: ir.IRBuilder, value: Any, other: Any) -> Any:
    """Return the lesser of two numbers, `other` if one is NaN."""
    return build.select(build.fcmp_ordered("<", value, other), value, other)


def greater(build: ir.IRBuilder, value: Any, other: Any) -> Any:
    """Return the greater of two numbers, `other` if one is NaN."""
    return build.select(build.fcmp_ordered(">", value, other), value, other)


def root(build: ir.IRBuilder, value: Any) -> Any:
    """Return the square root."""
    return build.call(build.module.declare_intrinsic("llvm.sqrt", [FLOAT64]), [value])


def magnitude(build: ir.IRBuilder, value: Any) -> Any:
    """Return the absolute value."""
    return build.call(build.module.declare_intrinsic("llvm.fabs", [FLOAT64]), [value])
