"""Models in ONNX Runtime: the serving form."""
