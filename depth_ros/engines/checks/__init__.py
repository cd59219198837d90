"""What a built engine must show before the cache takes it: golden outputs and the gate."""
