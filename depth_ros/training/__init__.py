"""Training of the project's own networks: synthetic scenes, losses, recipes, the loop.

Needs torch; nothing outside the command line imports it.
"""
