"""The sample camera and the observer of the demo."""
