"""Ensembles of trees in machine code that LLVM makes for the processor at hand."""
