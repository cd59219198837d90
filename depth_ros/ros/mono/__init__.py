"""The mono node."""
