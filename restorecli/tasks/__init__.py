"""What each task means: which tensors a photo becomes for a network, and how the result becomes a photo."""
