"""How quality and speed are measured: degradations, scores, times, energy; `protocols/`: one per task.

`evaluate` scores models on image sets, `runtime` and `sweep` time networks, `papers` has published scores.
"""
