"""OpenVINO: engine, precision by node."""
