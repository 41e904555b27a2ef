"""What runs networks: ONNX Runtime or OpenVINO, and which of them runs each."""
