"""Photos in chunks: handed to workers on many machines, or one after the other to this process.

`crew` is the loop that hands them out, whoever works: `alone` this process, `actors` those of Ray, in each of
which a `worker` holds the networks. `claims` keep two runs from making one result.
"""
