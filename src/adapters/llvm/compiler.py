"""From a kernel to a function that can be called: compiled once in a process, in 0.03 seconds."""

import ctypes
import mmap
from collections.abc import Callable
from functools import cache
from pathlib import Path

from llvmlite import binding

HOST = ""

# While it runs, other threads may: calling it releases the interpreter's lock.
_FUNCTION = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_void_p,
)
# Of the code that is made. The kernels leave nothing for the passes over modules to find, which
# would take longer than all the rest.
_OPTIMISED = 3
_LIBRARY = "libllvmlite"


@cache
def compiled(name: str, kernel: Callable[[], str], processor: str) -> Callable[..., None]:
    """Return a function for a processor by LLVM's name, or for `HOST`, the one at hand.

    `kernel` makes the module that has the function: given what it works with, the rows, how many
    there are, scratch memory, and where its answers go.
    """
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name() if processor == HOST else processor,
        features=binding.get_host_cpu_features().flatten() if processor == HOST else "",
        opt=_OPTIMISED,
    )
    module = binding.parse_assembly(kernel())
    module.verify()
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    function = _FUNCTION(engine.get_function_address(name))
    _let_go_of_the_compiler()
    function.owner = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    return function


def _let_go_of_the_compiler() -> None:
    """Give back the memory that LLVM's code takes, 50 MB: it comes back from its file if needed.

    Only Linux is told; elsewhere nothing happens.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists() or not hasattr(mmap, "MADV_DONTNEED"):
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for line in maps.read_text(encoding="utf-8").splitlines():
        place, rights, *_ = line.split(maxsplit=2)
        # What can be executed cannot have been written to, so nothing is lost.
        if rights == "r-xp" and _LIBRARY in line:
            begin, end = (int(address, 16) for address in place.split("-"))
            advise(begin, end - begin, mmap.MADV_DONTNEED)
