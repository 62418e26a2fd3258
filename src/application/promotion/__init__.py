"""Promotion: comparing candidates, and setting the champion."""
