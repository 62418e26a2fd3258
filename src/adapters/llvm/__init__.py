"""Tree ensembles and neighbour statistics in machine code, compiled by LLVM at start."""
