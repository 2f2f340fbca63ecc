# %% [markdown] part="end"
# ## What comes next?
#
# That was a good result. Now look at its price. Move every digit by one pixel to the right, and ask again:

# %% part="end"
moved = np.roll(test_images.reshape(-1, 8, 8), 1, axis=2).reshape(len(test_images), -1)
guesses = nearest_labels(train_images, train_labels, moved)
print(f"moved by one pixel: {(guesses == test_labels).mean():.1%} are right")
print(f"to answer at all, it carries {memory_bytes(train_images.shape):,} bytes of examples with it")

# %% [markdown] part="end"
# It has learned nothing: it compares with everything it ever saw. To *learn*, a program has to find out how
# each number in it should change to make a result better. A numpy array cannot help with this. What would it
# have to remember? Write your guess down before you open the next module; it is kept with your work, and
# costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# In *setup* you recognised digits with plain numpy: fast, and it had learned nothing. To learn, a program
# must know *which operations made a number*, so that it can ask what to change. A numpy array does not
# remember that:

# %% part="begin"
import numpy as np
from tinytorch.setup import distances, seconds

images = np.ones((50, 64))
result = distances(images, images)
print(f"{seconds(distances, images, images) * 1000:.2f} ms, dtype {result.dtype}")
print("does the result know how it came about?", hasattr(result, "grad"))

# %% [markdown] part="begin"
# Two things to change, then: `float32` instead of `float64` (half the memory, about twice the speed, and
# precise enough), and a place where each operation passes by, so that somebody can take notes.
