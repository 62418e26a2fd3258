"""Whether a model may replace the champion."""
