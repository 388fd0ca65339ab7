"""Trained models and their encoder as files that other programs predict with: ONNX and JSON, never pickle."""
