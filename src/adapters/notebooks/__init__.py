"""Notebooks run by nbclient in Jupyter's kernels, their prose read by markdown-it."""
