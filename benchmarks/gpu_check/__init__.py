"""The day a GPU is there: is everything right on it, and how fast?

    python -m benchmarks.gpu_check REPORT.md             on CUDA, all of it
    python -m benchmarks.gpu_check REPORT.md --size short --minutes 2.5
    python -m benchmarks.gpu_check REPORT.md --fake      on the make-believe GPU: shows that it runs

`parts` are done in the order in which they tell most, in a process of their own (`__main__`) that is started
again after a part that took the device or the time with it; `told` writes each line, as soon as it is known,
as Markdown and as JSON. `expected.json` holds what the make-believe GPU counted (`expected`).
"""
