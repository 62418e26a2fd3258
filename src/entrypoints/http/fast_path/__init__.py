"""The accelerator before the ordinary routes: plain requests, straight to the model."""
