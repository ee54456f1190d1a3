"""Measurements that can be repeated: speed of the networks, quality of the weights, pictures for the docs."""
