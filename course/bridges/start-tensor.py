# %% [markdown] part="begin"
# ## Where we start
#
# You need Python and a little numpy, no more. numpy computes fast, but an array does not remember *which
# operations made it*. To learn, a program must know that, so that it can ask what to change:

# %% part="begin"
import numpy as np

result = np.ones((50, 64)) @ np.ones((64, 10))
print("dtype", result.dtype)
print("does the result know how it came about?", hasattr(result, "grad"))

# %% [markdown] part="begin"
# Two things to change, then: `float32` instead of `float64` (half the memory, about twice the speed, and
# precise enough), and a place where each operation passes by, so that somebody can take notes.
