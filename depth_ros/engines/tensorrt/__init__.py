"""TensorRT: builders, engines, CUDA memory."""
