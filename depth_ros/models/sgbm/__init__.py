"""OpenCV's semi-global block matching as a model; see ``README.md`` in this folder."""
