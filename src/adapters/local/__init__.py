"""This machine and its cores."""
