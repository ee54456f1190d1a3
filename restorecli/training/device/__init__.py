"""Patches that are cut and degraded where the network is trained: photos and batches stay on the GPU."""
