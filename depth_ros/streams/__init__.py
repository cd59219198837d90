"""Frames over time: pairing by stamp, newest-wins slot, queues, recent frames."""
