"""OpenVINO, imported without its telemetry: engine, precision by node, int8."""

from depth_ros.engines.openvino.telemetry import without_telemetry

with without_telemetry():
    import openvino as openvino
