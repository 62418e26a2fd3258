"""Charts: figures as data, drawn as SVG."""
