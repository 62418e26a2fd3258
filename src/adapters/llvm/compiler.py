"""From the kernel to a function that can be called: compiled once in a process, in 0.1 seconds."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import binding

from adapters.llvm.kernel import NAME, kernel
from adapters.llvm.layout import Ensemble

# While it runs, other threads may: calling it releases the interpreter's lock.
_SCORE = ctypes.CFUNCTYPE(
    None,
    ctypes.POINTER(Ensemble),
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_void_p,
)
_OPTIMISED = 3


@cache
def compiled(processor: str = "", features: str = "") -> Callable[..., None]:
    """Return the kernel for a processor by LLVM's name; without a name, for the one at hand."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=processor or binding.get_host_cpu_name(),
        features=features if processor else binding.get_host_cpu_features().flatten(),
        opt=_OPTIMISED,
    )
    module = binding.parse_assembly(kernel())
    module.verify()
    _optimise(module, machine)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    score = _SCORE(engine.get_function_address(NAME))
    score.owner = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    return score


def _optimise(module: Any, machine: Any) -> None:
    # The kernel says itself what is done to several rows, or trees, at a time.
    options = binding.create_pipeline_tuning_options(speed_level=_OPTIMISED)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
