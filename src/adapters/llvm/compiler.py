"""Compiles a kernel to a callable function, once per process, in about 0.03 seconds."""

import ctypes
import mmap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite import binding
from numpy.typing import NDArray

HOST = ""

# A call releases the GIL.
_FUNCTION = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_void_p,
)
# The level of code generation. Optimisation passes take long and do not improve the kernels.
_OPTIMISATION_LEVEL = 3
_LIBRARY = "libllvmlite"


@cache
def compiled(
    name: str, kernel: Callable[..., str], processor: str, *arguments: Any
) -> Callable[..., None]:
    """Return the function `name` of a kernel, for a processor by LLVM's name or for `HOST`.

    `kernel` returns the module for hashable `arguments`. The function takes its arrays, the rows,
    their number, scratch memory and the output.
    """
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name() if processor == HOST else processor,
        features=binding.get_host_cpu_features().flatten() if processor == HOST else "",
        opt=_OPTIMISATION_LEVEL,
    )
    module = binding.parse_assembly(kernel(*arguments))
    module.verify()
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    function = _FUNCTION(engine.get_function_address(name))
    _release_compiler_memory()
    function.owner = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    return function


def address(array: NDArray[Any]) -> int:
    """Return the memory address of an array."""
    return int(array.__array_interface__["data"][0])


def _release_compiler_memory() -> None:
    """Release the 50 MB that LLVM's own code takes; pages are read again if needed. Linux only."""
    maps = Path("/proc/self/maps")
    if not maps.exists() or not hasattr(mmap, "MADV_DONTNEED"):
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for line in maps.read_text(encoding="utf-8").splitlines():
        addresses, rights, *_ = line.split(maxsplit=2)
        # Executable pages are read-only, so nothing is lost.
        if rights == "r-xp" and _LIBRARY in line:
            begin, end = (int(address, 16) for address in addresses.split("-"))
            advise(begin, end - begin, mmap.MADV_DONTNEED)
