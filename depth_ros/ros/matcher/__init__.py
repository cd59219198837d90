"""The matching service and its client."""
