"""A runtime of compiled code only."""

from adapters.llvm.compiler import HOST, compiled
from adapters.llvm.tree_kernel import NAME, kernel
from adapters.llvm.tree_runtime import open_trees
from application.model.serving_form import ServingFormRuntime


def compiled_runtime() -> ServingFormRuntime:
    """Return the runtime; the kernel is compiled before a model is opened."""
    compiled(NAME, kernel, HOST)
    return ServingFormRuntime(open_trees)
