"""What each task means: which tensors a photo becomes for a network, and how the result becomes a photo.

One module per task; `base` says what a task is, `estimate/` measures noise and JPEG quality of a photo.
"""
