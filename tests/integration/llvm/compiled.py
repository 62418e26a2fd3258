"""A runtime of nothing but compiled code."""

from adapters.llvm.compiler import HOST, compiled
from adapters.llvm.tree_kernel import NAME, kernel
from adapters.llvm.tree_runtime import open_trees
from application.model.numeric_runtime import NumericRuntime


def compiled_runtime() -> NumericRuntime:
    """Return the runtime; the compiler has run before there is a model."""
    compiled(NAME, kernel, HOST)
    return NumericRuntime(open_trees)
